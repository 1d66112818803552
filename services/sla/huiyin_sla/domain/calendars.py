"""Work calendars: which days and hours count as work, as data that operators can edit.

A calendar is a week of opening hours plus days that differ: holidays (``off``) and make-up workdays
(``work``, 调休). It says of every year how much is known, because a deadline that crosses into a year whose
arrangement is not published yet may still move.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Literal, Self
from zoneinfo import ZoneInfo

from huiyin_sla.domain.calendar_fields import (
    WEEKDAYS,
    read_days,
    read_hours,
    read_name,
    read_week,
    read_years,
    read_zone,
)
from huiyin_sla.domain.hours import OpenHours
from huiyin_sla.errors import CalendarMalformed, TimeNotAware

Coverage = Literal["official", "statutory_only", "weekdays_only"]
DayKind = Literal["working day", "make-up workday", "holiday", "weekly day off"]

_FIELDS = frozenset(
    {"name", "zone", "week", "makeup_hours", "off", "work", "official_years", "statutory_years"}
)
_UNCERTAIN: dict[Coverage, str] = {
    "statutory_only": "only the statutory holidays of {year} are known; the official arrangement of holidays "
    "and make-up workdays may move this",
    "weekdays_only": "no holidays of {year} are known; every weekday counts as in an ordinary week",
}


@dataclass(frozen=True)
class WorkCalendar:
    """A named calendar; equal content has the equal ``version``."""

    name: str
    zone: ZoneInfo
    week: tuple[tuple[OpenHours, ...], ...]
    makeup_hours: tuple[OpenHours, ...]
    off: Mapping[date, str] = field(default_factory=dict)
    work: Mapping[date, str] = field(default_factory=dict)
    official_years: frozenset[int] = frozenset()
    statutory_years: frozenset[int] = frozenset()

    @cached_property
    def version(self) -> str:
        """Return ``name-hash``: it changes exactly when the content does."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return f"{self.name}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"

    def coverage(self, year: int) -> Coverage:
        """Return how much is known of a year: the official arrangement, statutory holidays, or the week."""
        if year in self.official_years:
            return "official"
        return "statutory_only" if year in self.statutory_years else "weekdays_only"

    def warnings_between(self, first: date, last: date) -> tuple[str, ...]:
        """Return one sentence for each year of the days ``first``…``last`` that is not fully known."""
        years = ((year, self.coverage(year)) for year in range(first.year, last.year + 1))
        return tuple(
            f"calendar {self.name}: " + _UNCERTAIN[coverage].format(year=year)
            for year, coverage in years
            if coverage != "official"
        )

    def local_date(self, instant: datetime) -> date:
        """Return the day of an instant in the calendar's zone; raise TimeNotAware without a zone."""
        if instant.tzinfo is None:
            raise TimeNotAware
        return instant.astimezone(self.zone).date()

    def hours_on(self, day: date) -> tuple[OpenHours, ...]:
        """Return the opening hours of a day, in order; none on a day off."""
        if day in self.off:
            return ()
        hours = self.week[day.weekday()]
        return hours or self.makeup_hours if day in self.work else hours

    def is_working_day(self, day: date) -> bool:
        """Tell whether any work is done on the day."""
        return bool(self.hours_on(day))

    def day_kind(self, day: date) -> DayKind:
        """Return why the day counts or not."""
        if day in self.off:
            return "holiday"
        if self.week[day.weekday()]:
            return "working day"
        return "make-up workday" if day in self.work else "weekly day off"

    def day_name(self, day: date) -> str:
        """Return the name of the holiday the day belongs to (a make-up workday too), or nothing."""
        return self.off.get(day) or self.work.get(day) or ""

    def open_intervals(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """Yield the opening hours of a day as instants in UTC, in order."""
        for hours in self.hours_on(day):
            yield self._instant(day, hours.opens), self._instant(day, hours.closes)

    def close_of(self, day: date) -> datetime:
        """Return the instant (UTC) at which a working day closes."""
        return self._instant(day, self.hours_on(day)[-1].closes)

    def working_days_after(self, day: date, count: int) -> tuple[date, ...]:
        """Return the next ``count`` working days; ``day`` itself is never among them.

        Raises OverflowError past the year 9999.
        """
        days: list[date] = []
        while len(days) < count:
            day += timedelta(days=1)
            if self.is_working_day(day):
                days.append(day)
        return tuple(days)

    def due_after_working_days(self, start: datetime, count: int) -> datetime:
        """Return the close (UTC) of the ``count``-th working day after the day of ``start``, at least one.

        The start day never counts, not even when the start is at its first minute; after a start on a
        holiday the next working day is day 1 (S32).
        """
        return self.close_of(self.working_days_after(self.local_date(start), count)[-1])

    def to_dict(self) -> dict[str, object]:
        """Return the calendar as a JSON document that ``from_dict`` reads back."""
        return {
            "name": self.name,
            "zone": self.zone.key,
            "week": {
                weekday: [str(hours) for hours in day]
                for weekday, day in zip(WEEKDAYS, self.week, strict=True)
            },
            "makeup_hours": [str(hours) for hours in self.makeup_hours],
            "off": {day.isoformat(): self.off[day] for day in sorted(self.off)},
            "work": {day.isoformat(): self.work[day] for day in sorted(self.work)},
            "official_years": sorted(self.official_years),
            "statutory_years": sorted(self.statutory_years),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, object]) -> Self:
        """Return the calendar of a JSON document; raise CalendarMalformed with a pointer to the fault.

        ``name``, ``zone`` and ``week`` are required. ``makeup_hours``, the hours of make-up workdays on
        weekdays that are otherwise closed, default to those of the first open weekday.
        """
        for key in sorted(document.keys() - _FIELDS):
            raise CalendarMalformed(f"/{key}", "is no field of a calendar")
        week = read_week(document.get("week"))
        usual = next(day for day in week if day)
        off = read_days(document.get("off", {}), where="/off")
        work = read_days(document.get("work", {}), where="/work")
        for day in sorted(off.keys() & work.keys()):
            raise CalendarMalformed(f"/work/{day}", "is a day off, too")
        return cls(
            name=read_name(document.get("name")),
            zone=read_zone(document.get("zone")),
            week=week,
            makeup_hours=read_hours(document.get("makeup_hours", ()), where="/makeup_hours") or usual,
            off=off,
            work=work,
            official_years=read_years(document.get("official_years", ()), where="/official_years"),
            statutory_years=read_years(document.get("statutory_years", ()), where="/statutory_years"),
        )

    def _instant(self, day: date, offset: timedelta) -> datetime:
        midnight = datetime.combine(day, time.min, tzinfo=self.zone)
        return (midnight + offset).astimezone(UTC)
