"""Turns what changed about clocks into the events that tell it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from huiyin_contracts.event import Event
from huiyin_contracts.sla import ScheduledClock, SlaBreached, SlaRetracted, SlaScheduledV2, SlaWarned
from huiyin_eventbus.outbox import Outgoing
from huiyin_eventbus.subscriptions import Received
from huiyin_sla.domain.announcements import Announcement, Breached, Retracted, Scheduled, breach_id
from huiyin_sla.domain.clocks import Clock, WarningPoint

_WARNINGS: Final = UUID("0d3b0a1f-2a51-5d0e-8f43-6f2c1b1f7a55")


def outgoing_of(
    announcements: Sequence[Announcement],
    *,
    department: str | None,
    cause: Received[Event] | None,
    now: datetime,
) -> Iterator[Outgoing]:
    """Give the events that tell what changed about one case, ready for the outbox: its schedules in a single one."""
    scheduled = [each.clock for each in announcements if isinstance(each, Scheduled)]
    if scheduled:
        event = SlaScheduledV2(
            ticket_id=scheduled[0].case_id,
            department=department,
            scheduled_at=now,
            clocks=tuple(map(_scheduled, scheduled)),
        )
        yield Outgoing(event, cause=cause)
    for each in announcements:
        if isinstance(each, Breached):
            yield _breach_of(each, department=department, cause=cause)
        elif isinstance(each, Retracted):
            yield Outgoing(_retraction_of(each, department=department), cause=cause)


def warning_of(clock: Clock, point: WarningPoint, *, department: str | None) -> Outgoing:
    """Return the event of a warning; it is dated by the share's own time, not by that of the sweep."""
    event = SlaWarned(**_told(clock, department), percent=point.percent, warned_at=point.at)
    return Outgoing(event, event_id=str(uuid5(_WARNINGS, f"{_breach_id(clock)}/{point.percent}")))


def _scheduled(clock: Clock) -> ScheduledClock:
    return ScheduledClock(
        target=clock.target,
        cycle=clock.cycle,
        policy=clock.policy,
        due_at=clock.due_at,
        state=clock.state,
        started_at=clock.started_at,
        met_at=clock.met_at,
        calendar=clock.calendar,
        calendar_version=clock.calendar_version,
    )


def _breach_of(breached: Breached, *, department: str | None, cause: Received[Event] | None) -> Outgoing:
    clock = breached.clock
    missed = _breach_id(clock)
    event = SlaBreached(
        **_told(clock, department),
        breach_id=str(missed),
        breached_at=clock.due_at,
        detected_at=breached.detected_at,
    )
    # With the deadline: a breach that is taken back may come again, with another deadline.
    return Outgoing(event, cause=cause, event_id=str(uuid5(missed, clock.due_at.isoformat())))


def _retraction_of(retracted: Retracted, *, department: str | None) -> SlaRetracted:
    return SlaRetracted(
        **_told(retracted.breached, department),
        breach_id=str(_breach_id(retracted.clock)),
        met_at=retracted.clock.met_at,
        retracted_at=retracted.retracted_at,
        reason=retracted.reason,
    )


def _told(clock: Clock, department: str | None) -> dict[str, object]:
    return {
        "ticket_id": clock.case_id,
        "target": clock.target,
        "cycle": clock.cycle,
        "policy": clock.policy,
        "department": department,
        "due_at": clock.due_at,
    }


def _breach_id(clock: Clock) -> UUID:
    return breach_id(clock.case_id, clock.target, cycle=clock.cycle)
