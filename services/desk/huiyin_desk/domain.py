"""The ticket's rules: which verb fits which status, what it changes, and what is due next.

Six steps end on the desk: 处理 process, 复核 review, 归档 archive (S41). A satisfied review archives, an unsatisfied one
reopens (S42); a verb that already holds changes nothing, so that every call may be repeated.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from huiyin_contracts.vocabulary import ClockState, Step, Target, TicketStatus
from huiyin_desk.errors import TransitionNotAllowed

NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""Stands for "nothing is due" where a queue must sort."""


class Verb(StrEnum):
    """What can be done to a ticket."""

    ACCEPT = "accept"
    RETURN = "return"
    ASSIGN = "assign"
    ANSWER = "answer"
    PAUSE = "pause"
    RESUME = "resume"
    RESOLVE = "resolve"
    REVIEW = "review"
    REOPEN = "reopen"
    ARCHIVE = "archive"
    MERGE = "merge"


@dataclass(frozen=True, slots=True)
class Action:
    """One verb with what it says."""

    verb: Verb
    reason: str | None = None
    text: str | None = None
    assignee: str | None = None
    until: datetime | None = None
    satisfied: bool | None = None
    into: str | None = None


@dataclass(frozen=True, slots=True)
class TicketState:
    """What the rules need of a ticket; `answered_at` and `resolved_at` are those of the current cycle."""

    status: TicketStatus
    cycle: int = 1
    assignee: str | None = None
    answer: str | None = None
    answered_at: datetime | None = None
    resolved_at: datetime | None = None
    satisfied: bool | None = None
    paused_until: datetime | None = None
    merged_into: str | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """Where an action leads: the ticket afterwards, and the steps to announce, each with the status after it."""

    after: TicketState
    steps: tuple[tuple[Step, TicketStatus], ...]


_IN_WORK: Final = frozenset({Verb.RETURN, Verb.ASSIGN, Verb.ANSWER, Verb.PAUSE, Verb.RESOLVE, Verb.MERGE})
ALLOWED: Final[Mapping[TicketStatus, frozenset[Verb]]] = {
    TicketStatus.DISPATCHED: (_IN_WORK - {Verb.PAUSE}) | {Verb.ACCEPT},
    TicketStatus.ACCEPTED: _IN_WORK,
    TicketStatus.ANSWERED: _IN_WORK,
    TicketStatus.PAUSED: (_IN_WORK - {Verb.PAUSE, Verb.RETURN}) | {Verb.RESUME},
    TicketStatus.RETURNED: frozenset(),
    TicketStatus.RESOLVED: frozenset({Verb.REVIEW, Verb.REOPEN}),
    TicketStatus.REOPENED: _IN_WORK | {Verb.ACCEPT},
    TicketStatus.ARCHIVED: frozenset({Verb.REOPEN}),
    TicketStatus.MERGED: frozenset(),
}
"""Which verbs move a ticket on from each status. Archiving is a satisfied review's doing, never a verb's (S42)."""

OPEN: Final = frozenset(
    {
        TicketStatus.DISPATCHED,
        TicketStatus.ACCEPTED,
        TicketStatus.ANSWERED,
        TicketStatus.PAUSED,
        TicketStatus.RETURNED,
        TicketStatus.REOPENED,
    }
)
"""Statuses in which a department still has work to do."""


def act(ticket: TicketState, action: Action, *, now: datetime) -> Move | None:
    """Return where an action leads, or None when it already holds.

    Raises TransitionNotAllowed, with the verbs that would fit.
    """
    if _already_holds(ticket, action):
        return None
    allowed = ALLOWED.get(ticket.status, frozenset())
    if action.verb not in allowed:
        raise TransitionNotAllowed(action.verb, status=ticket.status, allowed=allowed)
    return _MOVES[action.verb](ticket, action, now)


def _already_holds(ticket: TicketState, action: Action) -> bool:
    status = ticket.status
    match action.verb:
        case Verb.ACCEPT:
            return status in {TicketStatus.ACCEPTED, TicketStatus.ANSWERED, TicketStatus.PAUSED}
        case Verb.RESUME:
            return status in {TicketStatus.ACCEPTED, TicketStatus.ANSWERED}
        case Verb.ASSIGN:
            return ticket.assignee == action.assignee and Verb.ASSIGN in ALLOWED.get(status, ())
        case Verb.ANSWER:
            return status is TicketStatus.ANSWERED and ticket.answer == action.text
        case Verb.PAUSE:
            return status is TicketStatus.PAUSED and ticket.paused_until == action.until
        case Verb.REVIEW:
            reviewed = TicketStatus.ARCHIVED if action.satisfied else TicketStatus.REOPENED
            return status is reviewed and ticket.satisfied is action.satisfied
        case Verb.MERGE:
            return status is TicketStatus.MERGED and ticket.merged_into == action.into
        case _:
            return status is _RESULT[action.verb]


_RESULT: Final = {
    Verb.RETURN: TicketStatus.RETURNED,
    Verb.RESOLVE: TicketStatus.RESOLVED,
    Verb.REOPEN: TicketStatus.REOPENED,
    Verb.ARCHIVE: TicketStatus.ARCHIVED,
}


def _accept(ticket: TicketState, _action: Action, _now: datetime) -> Move:
    return _to(ticket, TicketStatus.ACCEPTED, Step.ACCEPTED)


def _return(ticket: TicketState, _action: Action, _now: datetime) -> Move:
    return _to(replace(ticket, assignee=None), TicketStatus.RETURNED, Step.RETURNED)


def _assign(ticket: TicketState, action: Action, _now: datetime) -> Move:
    return _to(replace(ticket, assignee=action.assignee), ticket.status, Step.ASSIGNED)


def _answer(ticket: TicketState, action: Action, now: datetime) -> Move:
    answered = replace(ticket, answer=action.text, answered_at=ticket.answered_at or now)
    # An answer on hold ("we are waiting for the part") does not end the hold.
    status = ticket.status if ticket.status is TicketStatus.PAUSED else TicketStatus.ANSWERED
    return _to(answered, status, Step.ANSWERED)


def _pause(ticket: TicketState, action: Action, _now: datetime) -> Move:
    return _to(replace(ticket, paused_until=action.until), TicketStatus.PAUSED, Step.PAUSED)


def _resume(ticket: TicketState, _action: Action, _now: datetime) -> Move:
    before = TicketStatus.ANSWERED if ticket.answered_at else TicketStatus.ACCEPTED
    return _to(replace(ticket, paused_until=None), before, Step.RESUMED)


def _resolve(ticket: TicketState, _action: Action, now: datetime) -> Move:
    resolved = replace(ticket, resolved_at=now, paused_until=None, satisfied=None)
    return _to(resolved, TicketStatus.RESOLVED, Step.RESOLVED)


def _review(ticket: TicketState, action: Action, _now: datetime) -> Move:
    reviewed = (Step.REVIEWED, TicketStatus.RESOLVED)
    if action.satisfied:
        archived = replace(ticket, status=TicketStatus.ARCHIVED, satisfied=True)
        return Move(archived, (reviewed, (Step.ARCHIVED, TicketStatus.ARCHIVED)))
    reopened = replace(_next_cycle(ticket), satisfied=False)
    return Move(reopened, (reviewed, (Step.REOPENED, TicketStatus.REOPENED)))


def _reopen(ticket: TicketState, _action: Action, _now: datetime) -> Move:
    return Move(_next_cycle(ticket), ((Step.REOPENED, TicketStatus.REOPENED),))


def _merge(ticket: TicketState, action: Action, _now: datetime) -> Move:
    return _to(replace(ticket, merged_into=action.into), TicketStatus.MERGED, Step.MERGED)


def _to(ticket: TicketState, status: TicketStatus, step: Step) -> Move:
    return Move(replace(ticket, status=status), ((step, status),))


def _next_cycle(ticket: TicketState) -> TicketState:
    return replace(
        ticket,
        status=TicketStatus.REOPENED,
        cycle=ticket.cycle + 1,
        answer=None,
        answered_at=None,
        resolved_at=None,
        satisfied=None,
    )


_MOVES: Final[Mapping[Verb, Callable[[TicketState, Action, datetime], Move]]] = {
    Verb.ACCEPT: _accept,
    Verb.RETURN: _return,
    Verb.ASSIGN: _assign,
    Verb.ANSWER: _answer,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.RESOLVE: _resolve,
    Verb.REVIEW: _review,
    Verb.REOPEN: _reopen,
    Verb.MERGE: _merge,
}


def routed_anew(ticket: TicketState) -> TicketState:
    """Return a ticket as its new department finds it: nobody's yet, the cycle's clocks running on."""
    return replace(ticket, status=TicketStatus.DISPATCHED, assignee=None, paused_until=None)


class Clock(NamedTuple):
    """What the desk knows of one clock of the sla service; `target` and `state` as they stand in its events."""

    target: str
    cycle: int
    state: str
    due_at: datetime


_DUE: Final = frozenset({ClockState.RUNNING, ClockState.BREACHED})


def next_due(ticket: TicketState, clocks: Iterable[Clock]) -> datetime:
    """Return when the next thing is due on a ticket, NEVER when nothing is.

    A missed deadline stays due until the work is done: an overdue ticket must not sink in the queue. A paused clock
    is not due (Zoho Desk's rule: on hold, due times vanish).
    """
    outstanding = _outstanding(ticket)
    dues = [
        due_at
        for target, cycle, state, due_at in clocks
        if cycle == ticket.cycle and target in outstanding and state in _DUE
    ]
    return min(dues, default=NEVER)


def _outstanding(ticket: TicketState) -> tuple[Target, ...]:
    """Return the targets that are still to be met."""
    if ticket.status not in OPEN:
        return ()
    return (Target.RESPONSE, Target.RESOLUTION) if ticket.answered_at is None else (Target.RESOLUTION,)
