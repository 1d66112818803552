"""The clocks of a case, as a pure function of its facts.

A target is missed if and only if no qualifying event has its own time at or before the deadline; when we
heard of it does not matter. So a clock that was found breached may turn out met, and `announcements` takes
the breach back.

Which policies and which calendar apply is the caller's choice: keep the versions a case started with, so
that a later edit does not judge old work anew, and recompute open cases on purpose when they change.

- classification: from receipt to the first outcome other than triage.
- response: from the opening of the cycle to the first answer; a solution counts as one. Never pauses: the
  customer waits for a first word, whoever we wait for (as in Frappe Helpdesk).
- resolution: from the opening of the cycle to the first solution. Pauses while the ticket is on hold; on
  resumption the deadline moves by the time held (Zoho Desk's rule), and a solution or closing ends a hold.

Routing anew restarts nothing; each reopening opens the next cycle.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypedDict

from huiyin_contracts.vocabulary import ClockState, Target
from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.deadlines import due_at
from huiyin_sla.domain.facts import CaseFacts, Cycle, StepKind
from huiyin_sla.domain.holds import Hold, holds_of, postponed
from huiyin_sla.domain.policies import Policies
from huiyin_sla.domain.spans import Span

WARNING_PERCENTS = (50, 75)
EVERY_POLICY = "every"
"""Stands for the policy of a classification clock, which runs before the kind of the case is known."""
_QUALIFYING: dict[Target, tuple[StepKind, ...]] = {
    Target.RESPONSE: ("answered", "resolved"),
    Target.RESOLUTION: ("resolved",),
}
_PAUSING = frozenset({Target.RESOLUTION})


@dataclass(frozen=True, slots=True)
class WarningPoint:
    """The instant by which a share of a clock's time has passed."""

    percent: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """One promise of one cycle of a case. All times are facts' times in UTC, never those of a scan.

    ``due_at`` of a paused clock is the one from before the hold. ``met_at`` of a breached clock tells when
    the work was done after all. ``ended_at`` is set when the case was closed before the work was done.
    """

    case_id: str
    target: Target
    cycle: int
    policy: str
    started_at: datetime
    due_at: datetime
    warning_points: tuple[WarningPoint, ...]
    calendar: str
    calendar_version: str
    state: ClockState = ClockState.RUNNING
    met_at: datetime | None = None
    paused_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def breached_at(self) -> datetime | None:
        """Return the deadline when it was missed."""
        return self.due_at if self.state is ClockState.BREACHED else None

    def as_of(self, now: datetime) -> "Clock":
        """Return the clock at ``now``: a running one whose deadline lies before it is breached."""
        is_overdue = self.state is ClockState.RUNNING and self.due_at < now
        return replace(self, state=ClockState.BREACHED) if is_overdue else self


def clocks_of(facts: CaseFacts, *, policies: Policies, calendar: WorkCalendar) -> tuple[Clock, ...]:
    """Return every clock of a case by cycle and target, as true by its facts alone.

    A clock past its deadline with nothing known after it still runs here; ``Clock.as_of`` says breached.
    Raises UnknownPolicy, or DeadlineOutOfRange.
    """
    clocks = [
        _work_clock(facts.case_id, cycle, target=target, policies=policies, calendar=calendar)
        for cycle in facts.cycles()
        for target in _QUALIFYING
    ]
    if facts.received_at is None:
        return tuple(clocks)
    return (_classification_clock(facts, facts.received_at, policies=policies, calendar=calendar), *clocks)


def _classification_clock(
    facts: CaseFacts, received_at: datetime, *, policies: Policies, calendar: WorkCalendar
) -> Clock:
    clock = Clock(
        case_id=facts.case_id,
        target=Target.CLASSIFICATION,
        cycle=1,
        policy=EVERY_POLICY,
        **_terms(policies.classification, started_at=received_at, holds=(), calendar=calendar),
    )
    return _settled(clock, met_at=facts.classified_at, closed_at=None, paused_at=None)


def _work_clock(
    case_id: str, cycle: Cycle, *, target: Target, policies: Policies, calendar: WorkCalendar
) -> Clock:
    span = policies.named(cycle.policy).span(target)
    holds, held_since = holds_of(cycle) if target in _PAUSING else ((), None)
    clock = Clock(
        case_id=case_id,
        target=target,
        cycle=cycle.number,
        policy=cycle.policy,
        **_terms(span, started_at=cycle.started_at, holds=holds, calendar=calendar),
    )
    done = (step.at for step in cycle.steps if step.kind in _QUALIFYING[target])
    return _settled(clock, met_at=min(done, default=None), closed_at=cycle.closed_at, paused_at=held_since)


class _Terms(TypedDict):
    started_at: datetime
    due_at: datetime
    warning_points: tuple[WarningPoint, ...]
    calendar: str
    calendar_version: str


def _terms(span: Span, *, started_at: datetime, holds: tuple[Hold, ...], calendar: WorkCalendar) -> _Terms:
    """Return the times promised: the deadline and the warning points, each moved by the holds before it.

    Warnings stand at shares of the wall time up to the deadline, for working days too: half of a week's
    promise is the middle of that week, holidays included.
    """
    base = due_at(span, start=started_at, calendar=calendar)

    def moved(instant: datetime) -> datetime:
        return postponed(instant, span, holds=holds, calendar=calendar)

    return _Terms(
        started_at=started_at,
        due_at=moved(base),
        warning_points=tuple(
            WarningPoint(percent, moved(started_at + (base - started_at) * percent / 100))
            for percent in WARNING_PERCENTS
        ),
        calendar=calendar.name,
        calendar_version=calendar.version,
    )


def _settled(
    clock: Clock, *, met_at: datetime | None, closed_at: datetime | None, paused_at: datetime | None
) -> Clock:
    """Return the clock in the state that its facts give it."""
    if met_at is not None:
        state = ClockState.MET if met_at <= clock.due_at else ClockState.BREACHED
        return replace(clock, state=state, met_at=met_at)
    if closed_at is not None:
        state = ClockState.CANCELLED if closed_at <= clock.due_at else ClockState.BREACHED
        return replace(clock, state=state, ended_at=closed_at)
    if paused_at is not None and paused_at <= clock.due_at:
        return replace(clock, state=ClockState.PAUSED, paused_at=paused_at)
    return clock
