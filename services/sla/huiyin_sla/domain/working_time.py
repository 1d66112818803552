"""Working time: how much of it lies between two instants, and what instant lies so much of it away.

``add_working_time(t, s)`` is the earliest instant not before ``t`` by which ``s`` of working time has passed,
so adding is monotone and adding ``a`` then ``b`` is adding ``a + b``. ``subtract_working_time`` is the latest
instant from which ``s`` remains; it inverts adding for instants within opening hours.
"""

from datetime import UTC, datetime, timedelta

from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.errors import TimeNotAware

_NOTHING = timedelta(0)
_ONE_DAY = timedelta(days=1)


def working_time_between(start: datetime, end: datetime, *, calendar: WorkCalendar) -> timedelta:
    """Return the working time from ``start`` to ``end``, negative when ``end`` is the earlier one."""
    start, end = _utc(start), _utc(end)
    if end < start:
        return -working_time_between(end, start, calendar=calendar)
    day, last_day = calendar.local_date(start), calendar.local_date(end)
    total = _NOTHING
    while day <= last_day:
        for opens_at, closes_at in calendar.open_intervals(day):
            total += max(_NOTHING, min(closes_at, end) - max(opens_at, start))
        day += _ONE_DAY
    return total


def add_working_time(start: datetime, span: timedelta, *, calendar: WorkCalendar) -> datetime:
    """Return the instant (UTC) after ``span`` of working time; a span of nothing returns the start.

    Raises ValueError for a negative span and OverflowError past the year 9999.
    """
    if span < _NOTHING:
        raise ValueError("a span of working time is not negative")
    start = _utc(start)
    day, left = calendar.local_date(start), span
    while left > _NOTHING:
        for opens_at, closes_at in calendar.open_intervals(day):
            begins_at = max(opens_at, start)
            if left <= closes_at - begins_at:
                return begins_at + left
            left -= max(_NOTHING, closes_at - begins_at)
        day += _ONE_DAY
    return start


def subtract_working_time(end: datetime, span: timedelta, *, calendar: WorkCalendar) -> datetime:
    """Return the instant (UTC) before ``span`` of working time; a span of nothing returns the end.

    Raises ValueError for a negative span and OverflowError before the year 1.
    """
    if span < _NOTHING:
        raise ValueError("a span of working time is not negative")
    end = _utc(end)
    day, left = calendar.local_date(end), span
    while left > _NOTHING:
        for opens_at, closes_at in reversed(tuple(calendar.open_intervals(day))):
            ends_at = min(closes_at, end)
            if left <= ends_at - opens_at:
                return ends_at - left
            left -= max(_NOTHING, ends_at - opens_at)
        day -= _ONE_DAY
    return end


def _utc(instant: datetime) -> datetime:
    """Return the instant in UTC, where arithmetic is not blind to summer time."""
    if instant.tzinfo is None:
        raise TimeNotAware
    return instant.astimezone(UTC)
