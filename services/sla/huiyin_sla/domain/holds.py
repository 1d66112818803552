"""Holds: stretches in which a case waits for somebody else, and how they move a deadline."""

from dataclasses import dataclass
from datetime import datetime

from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.facts import Cycle
from huiyin_sla.domain.spans import Span, WallSpan
from huiyin_sla.domain.working_time import add_working_time, working_time_between


@dataclass(frozen=True, slots=True)
class Hold:
    """One finished hold."""

    paused_at: datetime
    resumed_at: datetime


def holds_of(cycle: Cycle) -> tuple[tuple[Hold, ...], datetime | None]:
    """Return the finished holds of a cycle in order, and since when it is on hold now, if it is.

    Pausing a paused case adds nothing, so moving between two reasons to wait never counts twice. A solution
    ends the hold and the search; so does the closing of the cycle.
    """
    holds: list[Hold] = []
    held_since: datetime | None = None
    for step in cycle.steps:
        if step.kind == "paused" and held_since is None:
            held_since = max(step.at, cycle.started_at)
        if step.kind in ("resumed", "resolved") and held_since is not None:
            holds.append(Hold(held_since, max(step.at, held_since)))
            held_since = None
        if step.kind == "resolved":
            return tuple(holds), None
    if held_since is not None and cycle.closed_at is not None:
        return (*holds, Hold(held_since, max(cycle.closed_at, held_since))), None
    return tuple(holds), held_since


def postponed(instant: datetime, span: Span, *, holds: tuple[Hold, ...], calendar: WorkCalendar) -> datetime:
    """Return the instant moved by every hold that began before it came.

    Round the clock: by the time held. Counted in working days: by the working time held, so that holding a
    case over a weekend gives nothing and holding it for two working days gives two days. A hold that begins
    after the instant cannot save what is missed already.
    """
    for hold in holds:
        if hold.paused_at > instant:
            return instant
        if isinstance(span, WallSpan):
            instant += hold.resumed_at - hold.paused_at
        else:
            held = working_time_between(hold.paused_at, hold.resumed_at, calendar=calendar)
            instant = add_working_time(instant, held, calendar=calendar)
    return instant
