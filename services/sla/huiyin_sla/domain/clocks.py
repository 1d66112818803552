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

from datetime import datetime
from typing import NamedTuple

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


class WarningPoint(NamedTuple):
    """The instant by which a share of a clock's time has passed."""

    percent: int
    at: datetime


class Clock(NamedTuple):
    """One promise of one cycle of a case. All times are facts' times in UTC, never those of a scan.

    ``due_at`` of a paused clock is the one from before the hold. ``met_at`` of a breached clock tells when
    the work was done after all. ``ended_at`` is set when the case was closed before the work was done.
    A named tuple: every event of a case makes three, at a third of the price of a frozen dataclass.
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
        return self._replace(state=ClockState.BREACHED) if is_overdue else self

    def ended(
        self, state: ClockState, *, met_at: datetime | None = None, ended_at: datetime | None = None
    ) -> "Clock":
        """Return the clock with its end: the work done, or the case closed before."""
        return self._replace(state=state, met_at=met_at, ended_at=ended_at)

    def paused(self, paused_at: datetime) -> "Clock":
        """Return the clock on hold."""
        return self._replace(state=ClockState.PAUSED, paused_at=paused_at)

    def says_the_same_as(self, other: "Clock") -> bool:
        """Tell whether another clock says the same; warning points aside, which follow from the rest and are not stored."""
        return self._replace(warning_points=other.warning_points) == other


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
    clock = _started(
        Target.CLASSIFICATION,
        case_id=facts.case_id,
        cycle=1,
        policy=EVERY_POLICY,
        span=policies.classification,
        started_at=received_at,
        holds=(),
        calendar=calendar,
    )
    return _settled(clock, met_at=facts.classified_at, closed_at=None, paused_at=None)


def _work_clock(
    case_id: str, cycle: Cycle, *, target: Target, policies: Policies, calendar: WorkCalendar
) -> Clock:
    holds, held_since = holds_of(cycle) if target in _PAUSING else ((), None)
    clock = _started(
        target,
        case_id=case_id,
        cycle=cycle.number,
        policy=cycle.policy,
        span=policies.named(cycle.policy).span(target),
        started_at=cycle.started_at,
        holds=holds,
        calendar=calendar,
    )
    done = [step.at for step in cycle.steps if step.kind in _QUALIFYING[target]]
    return _settled(clock, met_at=min(done, default=None), closed_at=cycle.closed_at, paused_at=held_since)


def _started(
    target: Target,
    *,
    case_id: str,
    cycle: int,
    policy: str,
    span: Span,
    started_at: datetime,
    holds: tuple[Hold, ...],
    calendar: WorkCalendar,
) -> Clock:
    """Return the running clock with the times promised: its deadline and warning points, each moved by the holds before it.

    Warnings stand at shares of the wall time up to the deadline, for working days too: half of a week's
    promise is the middle of that week, holidays included.
    """
    base = due_at(span, start=started_at, calendar=calendar)
    due = postponed(base, span, holds=holds, calendar=calendar)
    shares = [(percent, started_at + (base - started_at) * percent / 100) for percent in WARNING_PERCENTS]
    points = tuple(
        [WarningPoint(each, postponed(at, span, holds=holds, calendar=calendar)) for each, at in shares]
    )
    return Clock(case_id, target, cycle, policy, started_at, due, points, calendar.name, calendar.version)


def _settled(
    clock: Clock, *, met_at: datetime | None, closed_at: datetime | None, paused_at: datetime | None
) -> Clock:
    """Return the clock in the state that its facts give it."""
    if met_at is not None:
        state = ClockState.MET if met_at <= clock.due_at else ClockState.BREACHED
        return clock.ended(state, met_at=met_at)
    if closed_at is not None:
        state = ClockState.CANCELLED if closed_at <= clock.due_at else ClockState.BREACHED
        return clock.ended(state, ended_at=closed_at)
    if paused_at is not None and paused_at <= clock.due_at:
        return clock.paused(paused_at)
    return clock
