"""Spans of a promise: a length round the clock, or a count of working days.

A working day is a unit of its own, not some number of hours: "5 working days" ends at the close of the
fifth day, whatever the opening hours are.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

MAX_LENGTH = timedelta(days=3660)
MAX_WORKING_DAYS = 1000

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)
_WORKING_DAYS = re.compile(r"(\d{1,6}) working days?", re.ASCII)


@dataclass(frozen=True, slots=True)
class WallSpan:
    """A length that passes day and night."""

    length: timedelta

    def __post_init__(self) -> None:
        if not timedelta(0) < self.length <= MAX_LENGTH:
            raise ValueError(f"a span is longer than nothing and at most {MAX_LENGTH.days} days")

    def __str__(self) -> str:
        minutes, seconds = divmod(self.length, timedelta(minutes=1))
        hours, minutes = divmod(minutes, 60)
        parts = (f"{hours}H" if hours else "", f"{minutes}M" if minutes else "", _seconds(seconds))
        return "PT" + "".join(parts)


@dataclass(frozen=True, slots=True)
class WorkingDaySpan:
    """A number of working days after the day of the start."""

    days: int

    def __post_init__(self) -> None:
        if not 1 <= self.days <= MAX_WORKING_DAYS:
            raise ValueError(f"a span is between 1 and {MAX_WORKING_DAYS} working days")

    def __str__(self) -> str:
        return f"{self.days} working day{'' if self.days == 1 else 's'}"


Span = WallSpan | WorkingDaySpan


def parse_span(text: str) -> Span:
    """Return the span of ``PT24H``, ``P3D``, ``PT2.5S`` or ``5 working days``.

    ISO 8601 durations without years and months, whose length is not fixed. Raises ValueError, with a
    sentence for the author of the policy, for anything else and for nothing or too much.
    """
    if match := _WORKING_DAYS.fullmatch(text):
        return WorkingDaySpan(int(match[1]))
    match = _DURATION.fullmatch(text)
    parts = match.groupdict() if match else {}
    if not any(parts.values()):
        raise ValueError(f"{text[:40]!r} is neither a duration like PT24H nor a count like 5 working days")
    return WallSpan(timedelta(**{unit: float(value) for unit, value in parts.items() if value}))


def _seconds(rest: timedelta) -> str:
    if not rest:
        return ""
    return f"{rest.seconds}.{rest.microseconds:06d}".rstrip("0").rstrip(".") + "S"
