"""Reads the facts of the ledger out of events."""

from collections.abc import Iterable
from typing import Final

from huiyin_contracts.feedback import FeedbackAttached, FeedbackClassified, FeedbackReceived
from huiyin_contracts.tickets import TicketProgressed, TicketRouted
from huiyin_contracts.vocabulary import Outcome, Step
from huiyin_eventbus.subscriptions import Received
from huiyin_sla.domain.facts import STEPS, Fact, StepKind
from huiyin_sla.domain.policies import policy_for
from huiyin_sla.usecases.ledger import Note

_STEPS: Final[dict[Step, StepKind]] = {Step(kind): kind for kind in STEPS}


def of_received(received: Iterable[Received[FeedbackReceived]]) -> list[Note]:
    """Return one receipt per feedback."""
    return [
        Note(one.event.feedback_id, Fact("received", one.event.received_at), cause=one) for one in received
    ]


def of_classified(received: Iterable[Received[FeedbackClassified]]) -> list[Note]:
    """Return one outcome per classification, of the feedback itself: its case may be another ticket."""
    return [
        Note(
            one.event.feedback_id,
            Fact("classified", one.event.classified_at, one.event.revision, outcome=one.event.outcome),
            cause=one,
        )
        for one in received
    ]


def of_attached(received: Iterable[Received[FeedbackAttached]]) -> list[Note]:
    """Return the outcome `attached` of each feedback, before any revision that its classification carries."""
    return [
        Note(
            one.event.feedback_id,
            Fact("classified", one.event.attached_at, outcome=Outcome.ATTACHED),
            cause=one,
        )
        for one in received
    ]


def of_routed(received: Iterable[Received[TicketRouted]]) -> list[Note]:
    """Return one routing per event, with the policy that its labels ask for."""
    return [
        Note(
            one.event.ticket_id,
            Fact(
                "routed",
                one.event.routed_at,
                one.event.routing,
                policy=policy_for(one.event.labels.urgency, is_complex=one.event.labels.complex),
            ),
            cause=one,
            department=one.event.department,
        )
        for one in received
    ]


def of_progressed(received: Iterable[Received[TicketProgressed]]) -> list[Note]:
    """Return the steps that clocks know of; assigning, for one, moves none."""
    return [
        Note(
            one.event.ticket_id,
            Fact(_STEPS[one.event.step], one.event.progressed_at, one.event.version),
            cause=one,
        )
        for one in received
        if one.event.step in _STEPS
    ]
