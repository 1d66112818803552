"""Reads the facts of the ledger out of events."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from huiyin_contracts.event import Event
from huiyin_contracts.feedback import FeedbackAttached, FeedbackClassified, FeedbackReceived
from huiyin_contracts.tickets import TicketProgressed, TicketRouted
from huiyin_contracts.vocabulary import Outcome, Step
from huiyin_eventbus.subscriptions import Received
from huiyin_sla.domain.facts import STEPS, Fact, StepKind
from huiyin_sla.domain.policies import policy_for
from huiyin_sla.usecases.ledger import Note

_STEPS: Final[dict[Step, StepKind]] = {Step(kind): kind for kind in STEPS}


def notes_of(received: Iterable[Received[Any]]) -> list[Note]:
    """Return what events say of their cases, in their order; nothing of events that move no clock."""
    found = (_NOTERS[type(one.event)](one) for one in received)
    return [note for note in found if note]


def _received(one: Received[FeedbackReceived]) -> Note:
    return Note(one.event.feedback_id, Fact("received", one.event.received_at), cause=one)


def _classified(one: Received[FeedbackClassified]) -> Note:
    """Return the outcome of the feedback itself: its case may be another ticket."""
    event = one.event
    fact = Fact("classified", event.classified_at, event.revision, outcome=event.outcome)
    return Note(event.feedback_id, fact, cause=one)


def _attached(one: Received[FeedbackAttached]) -> Note:
    """Return the outcome `attached` of the feedback, before any revision that its classification carries."""
    fact = Fact("classified", one.event.attached_at, outcome=Outcome.ATTACHED)
    return Note(one.event.feedback_id, fact, cause=one)


def _routed(one: Received[TicketRouted]) -> Note:
    """Return the routing, with the policy that its labels ask for."""
    event = one.event
    policy = policy_for(event.labels.urgency, is_complex=event.labels.complex)
    fact = Fact("routed", event.routed_at, event.routing, policy=policy)
    return Note(event.ticket_id, fact, cause=one, department=event.department)


def _progressed(one: Received[TicketProgressed]) -> Note | None:
    """Return a step that clocks know of; assigning, for one, moves none."""
    event = one.event
    kind = _STEPS.get(event.step)
    return Note(event.ticket_id, Fact(kind, event.progressed_at, event.version), cause=one) if kind else None


_NOTERS: Final[Mapping[type[Event], Callable[[Any], Note | None]]] = {
    FeedbackReceived: _received,
    FeedbackClassified: _classified,
    FeedbackAttached: _attached,
    TicketRouted: _routed,
    TicketProgressed: _progressed,
}

CASE_EVENTS: Final = tuple(_NOTERS)
"""The events that say something of a case."""
