"""When a promise falls due, and the days that were counted to get there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.policies import Policy
from huiyin_sla.domain.spans import Span, WallSpan
from huiyin_sla.errors import DeadlineOutOfRange, TimeNotAware


@dataclass(frozen=True, slots=True)
class Deadline:
    """An instant (UTC) with its reasons; ``warnings`` name years the calendar does not fully know."""

    due_at: datetime
    calendar_version: str
    explanation: tuple[str, ...]
    warnings: tuple[str, ...]


def deadline(policy: Policy, target: str, *, start: datetime, calendar: WorkCalendar) -> Deadline:
    """Return the deadline of a policy's target, explained day by day in the calendar's zone.

    Raises UnknownTarget, TimeNotAware, or DeadlineOutOfRange past the year 9999.
    """
    span = policy.span(target)
    due = due_at(span, start=start, calendar=calendar)
    try:
        warnings = _warnings(span, start=start, due=due, calendar=calendar)
        days = tuple(_explain(span, start=start, due=due, calendar=calendar))
    except OverflowError:
        raise DeadlineOutOfRange from None
    return Deadline(
        due_at=due, calendar_version=calendar.version, explanation=days + warnings, warnings=warnings
    )


def due_at(span: Span, *, start: datetime, calendar: WorkCalendar) -> datetime:
    """Return the instant (UTC) at which the span after ``start`` ends.

    Raises TimeNotAware, or DeadlineOutOfRange past the year 9999.
    """
    if start.tzinfo is None:
        raise TimeNotAware
    try:
        if isinstance(span, WallSpan):
            return start.astimezone(UTC) + span.length
        return calendar.due_after_working_days(start, span.days)
    except OverflowError:
        raise DeadlineOutOfRange from None


def _warnings(span: Span, *, start: datetime, due: datetime, calendar: WorkCalendar) -> tuple[str, ...]:
    if isinstance(span, WallSpan):
        return ()
    return calendar.warnings_between(calendar.local_date(start), calendar.local_date(due))


def _explain(span: Span, *, start: datetime, due: datetime, calendar: WorkCalendar) -> Iterator[str]:
    first, last = calendar.local_date(start), calendar.local_date(due)
    if isinstance(span, WallSpan):
        yield f"{_local(start, calendar)} start"
        yield f"{_local(due, calendar)} due after {span}, round the clock"
        return
    yield f"{_day(first)} start day, never counted"
    counted = 0
    for offset in range(1, (last - first).days + 1):
        day = first + timedelta(days=offset)
        counted += calendar.is_working_day(day)
        yield _explain_day(day, counted, calendar=calendar)
    yield f"{_local(due, calendar)} due at close of working day {counted}"


def _explain_day(day: date, counted: int, *, calendar: WorkCalendar) -> str:
    kind, name = calendar.day_kind(day), calendar.day_name(day)
    number = f" {counted}" if calendar.is_working_day(day) else ", not counted"
    return f"{_day(day)} {kind}{number}" + (f" ({name})" if name else "")


def _day(day: date) -> str:
    return f"{day.isoformat()} {('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')[day.weekday()]}"


def _local(instant: datetime, calendar: WorkCalendar) -> str:
    return instant.astimezone(calendar.zone).isoformat(sep=" ", timespec="seconds")
