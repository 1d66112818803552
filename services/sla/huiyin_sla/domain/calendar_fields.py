"""Reading the fields of a calendar document: each reader returns the value or raises CalendarMalformed."""

import re
from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, date
from zoneinfo import ZoneInfo

from huiyin_sla.domain.hours import OpenHours, hours_of_day
from huiyin_sla.errors import CalendarMalformed

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_OVERRIDES = 20_000
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_NAME_LENGTH_OF_A_DAY = 100


def read_name(value: object) -> str:
    """Return the calendar's name, a lower-case slug."""
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise CalendarMalformed("/name", "must be a slug like cn or cn-hotline")
    return value


def read_zone(value: object) -> ZoneInfo:
    """Return the IANA time zone."""
    if not isinstance(value, str):
        raise CalendarMalformed("/zone", "must be an IANA zone like Asia/Shanghai")
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError) as unknown:
        raise CalendarMalformed("/zone", f"{value[:40]!r} is no IANA zone like Asia/Shanghai") from unknown


def read_hours(value: object, *, where: str) -> tuple[OpenHours, ...]:
    """Return the intervals of one day from a list like ``["09:00-12:00", "13:00-18:00"]``."""
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise CalendarMalformed(where, "must be a list of hours like 09:00-18:00")
    try:
        return hours_of_day(OpenHours.parse(item) for item in value)
    except CalendarMalformed as fault:
        raise CalendarMalformed(where, fault.reason) from fault


def read_week(value: object) -> tuple[tuple[OpenHours, ...], ...]:
    """Return seven days, Monday first, from ``{"mon": […], …}``; a missing weekday is closed."""
    if not isinstance(value, Mapping):
        raise CalendarMalformed("/week", "must map mon…sun to lists of hours")
    for key in value:
        if key not in WEEKDAYS:
            raise CalendarMalformed(f"/week/{key}", f"is no weekday; there are {', '.join(WEEKDAYS)}")
    week = tuple(read_hours(value.get(weekday, ()), where=f"/week/{weekday}") for weekday in WEEKDAYS)
    if not any(week):
        raise CalendarMalformed("/week", "needs hours on at least one weekday")
    return week


def read_days(value: object, *, where: str) -> dict[date, str]:
    """Return named days from ``{"2026-10-01": "National Day"}``; a name may be empty."""
    if not isinstance(value, Mapping):
        raise CalendarMalformed(where, "must map dates to names")
    if len(value) > MAX_OVERRIDES:
        raise CalendarMalformed(where, f"holds more than {MAX_OVERRIDES} days")
    return {
        _read_date(key, where=where): _read_day_name(name, where=f"{where}/{key}")
        for key, name in value.items()
    }


def read_years(value: object, *, where: str) -> frozenset[int]:
    """Return the set of years from a list."""
    if not isinstance(value, list | tuple) or not all(_is_year(year) for year in value):
        raise CalendarMalformed(where, "must be a list of years")
    return frozenset(value)


def _is_year(value: object) -> bool:
    return type(value) is int and MINYEAR <= value <= MAXYEAR


def _read_date(value: object, *, where: str) -> date:
    if not isinstance(value, str):
        raise CalendarMalformed(where, "dates must be texts like 2026-10-01")
    try:
        return date.fromisoformat(value)
    except ValueError as unreadable:
        raise CalendarMalformed(where, f"{value[:40]!r} is no date like 2026-10-01") from unreadable


def _read_day_name(value: object, *, where: str) -> str:
    if not isinstance(value, str) or len(value) > _NAME_LENGTH_OF_A_DAY:
        raise CalendarMalformed(where, f"must be a name of at most {_NAME_LENGTH_OF_A_DAY} characters")
    return value
