"""Opening hours of one day, as offsets from local midnight so that a day may close at 24:00."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Self

from huiyin_sla.errors import CalendarMalformed

_DAY = timedelta(hours=24)
_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class OpenHours:
    """One interval of work: the close is outside it, and it never crosses midnight."""

    opens: timedelta
    closes: timedelta

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.opens < self.closes <= _DAY:
            raise CalendarMalformed("", f"hours {self} must open before they close, within 00:00-24:00")

    def __str__(self) -> str:
        return f"{_clock(self.opens)}-{_clock(self.closes)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the hours written like ``09:00-18:00``; raise CalendarMalformed otherwise."""
        match = _HOURS.fullmatch(text)
        if match is None:
            raise CalendarMalformed("", f"hours {text[:40]!r} are not written like 09:00-18:00")
        opens_hour, opens_minute, closes_hour, closes_minute = (int(part) for part in match.groups())
        return cls(
            timedelta(hours=opens_hour, minutes=opens_minute),
            timedelta(hours=closes_hour, minutes=closes_minute),
        )


def hours_of_day(intervals: Iterable[OpenHours]) -> tuple[OpenHours, ...]:
    """Return the intervals of a day in order; raise CalendarMalformed when two overlap."""
    ordered = tuple(sorted(intervals))
    for earlier, later in pairwise(ordered):
        if later.opens < earlier.closes:
            raise CalendarMalformed("", f"hours {earlier} and {later} overlap")
    return ordered


def _clock(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
