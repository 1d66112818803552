"""What must be told to the other services when the clocks of a case change, and when to look again."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from huiyin_contracts.vocabulary import ClockState, Target
from huiyin_sla.domain.clocks import Clock, WarningPoint

_NAMESPACE = UUID("6e3ad2f5-2f0c-5d8e-9d5b-3b1f6f6c5a10")
_RETRACTIONS = {
    ClockState.MET: "done in time, reported late",
    ClockState.CANCELLED: "closed in time, reported late",
    ClockState.PAUSED: "on hold at the deadline",
    ClockState.RUNNING: "the deadline moved",
    ClockState.BREACHED: "the deadline moved",
}


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A clock is new or changed; its state says how. While a classification merely waits, nobody is told."""

    clock: Clock


@dataclass(frozen=True, slots=True)
class Breached:
    """A deadline was missed, at ``clock.due_at``."""

    clock: Clock
    detected_at: datetime


@dataclass(frozen=True, slots=True)
class Retracted:
    """A breach that was told before is none: ``breached`` is the clock as told, ``clock`` as it is."""

    breached: Clock
    clock: Clock
    retracted_at: datetime

    @property
    def reason(self) -> str:
        """Return why the breach is taken back."""
        return _RETRACTIONS[self.clock.state]


Announcement = Scheduled | Breached | Retracted


def changes(before: Iterable[Clock], after: Iterable[Clock], *, now: datetime) -> tuple[Announcement, ...]:
    """Return what turns the clocks told before into those of now, in the order to tell it.

    Tells a breach once however often it is asked, and takes it back when it is none or has another deadline.
    Both sides are taken as of what they say; pass clocks through ``Clock.as_of`` to find overdue ones.
    """
    told = {_key(clock): clock for clock in before}
    return tuple(
        announcement
        for clock in after
        for announcement in _clock_changes(told.get(_key(clock)), clock, now=now)
    )


def warnings_due(clock: Clock, *, now: datetime, warned: Collection[int]) -> tuple[WarningPoint, ...]:
    """Return the warnings to send at ``now``; ``warned`` are the percents sent for this clock already.

    Only a running clock before its deadline warns.
    """
    if clock.as_of(now).state is not ClockState.RUNNING:
        return ()
    return tuple(point for point in clock.warning_points if point.at <= now and point.percent not in warned)


def next_check_at(clock: Clock, *, warned: Collection[int]) -> datetime | None:
    """Return when the clock next needs a look: its next warning or its deadline; None when it rests.

    At the deadline itself nothing is missed yet, so look at instants strictly after it.
    """
    if clock.state is not ClockState.RUNNING:
        return None
    coming = (point.at for point in clock.warning_points if point.percent not in warned)
    return min((*coming, clock.due_at))


def breach_id(case_id: str, target: Target, *, cycle: int) -> UUID:
    """Return the id of the one breach that a clock can have, the same wherever it is computed.

    It names the breach, not the event: when a late fact moves the deadline, the breach is retracted and may
    be told again, which needs an event of its own.
    """
    return uuid5(_NAMESPACE, f"{case_id}/{target.value}/{cycle}")


def _clock_changes(told: Clock | None, clock: Clock, *, now: datetime) -> Iterator[Announcement]:
    was_breached = told is not None and told.state is ClockState.BREACHED
    is_breached = clock.state is ClockState.BREACHED
    is_same_breach = was_breached and is_breached and told is not None and told.due_at == clock.due_at
    if told is not None and was_breached and not is_same_breach:
        yield Retracted(told, clock, now)
    if _is_worth_telling(told, clock):
        yield Scheduled(clock)
    if is_breached and not is_same_breach:
        yield Breached(clock, now)


def _is_worth_telling(told: Clock | None, clock: Clock) -> bool:
    """Tell whether others must hear what the clock is now; that it passed its deadline is told as a breach."""
    if _is_ours_to_watch(clock) and (told is None or _is_ours_to_watch(told)):
        return False
    return told is None or _is_rescheduled(told, clock)


def _is_ours_to_watch(clock: Clock) -> bool:
    """Tell whether nobody else waits for what a clock says: a classification that is not late yet is only swept."""
    return clock.target is Target.CLASSIFICATION and clock.state is ClockState.RUNNING


def _is_rescheduled(told: Clock, clock: Clock) -> bool:
    """Tell whether more changed than that the deadline passed."""
    has_passed = told.state is ClockState.RUNNING and clock.state is ClockState.BREACHED
    has_new_state = told.state is not clock.state and not has_passed
    return has_new_state or _picture(told) != _picture(clock)


def _picture(clock: Clock) -> tuple[object, ...]:
    times = (clock.started_at, clock.due_at, clock.met_at, clock.paused_at, clock.ended_at)
    return (*times, clock.policy, clock.calendar_version)


def _key(clock: Clock) -> tuple[str, Target, int]:
    return clock.case_id, clock.target, clock.cycle
