"""What each event says of which case.

A case is a feedback, and the ticket that carries its id. What is said of an attached feedback stands under that
feedback, what is said of the ticket under the ticket.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from huiyin_analytics.domain.ledger import Fact, Kind, earliest, stamp
from huiyin_contracts.event import Event
from huiyin_contracts.feedback import FeedbackAttached, FeedbackClassified, FeedbackReceived, Labels, Rating
from huiyin_contracts.sla import (
    ScheduledClock,
    SlaBreached,
    SlaRetracted,
    SlaScheduled,
    SlaScheduledV2,
    SlaWarned,
)
from huiyin_contracts.tickets import TicketProgressed, TicketRouted
from huiyin_contracts.vocabulary import Outcome, Step, Target

Telling = tuple[str, Fact]
"""A case's id and a fact about it."""

_UNDECIDED: Final = frozenset({Outcome.TRIAGE, Outcome.OTHER})
_LATER_THAN_ANY: Final = 1 << 40
"""More than any case has events: added to the ranks of a second contract, whose words hold against the first's."""
_COUNTED_STEPS: Final = frozenset(
    {Step.ANSWERED, Step.RESOLVED, Step.REVIEWED, Step.REOPENED, Step.ARCHIVED, Step.MERGED}
)


def tellings(event: Event, *, event_id: str, sequence: int) -> Iterator[Telling]:
    """Give what an event says; nothing for an event that no figure needs.

    `sequence` orders the events of one topic and key, `event_id` recognises an event told again.
    """
    teller = _TELLERS.get(type(event))
    return teller(event, event_id, sequence) if teller else iter(())


def percent_of(rating: Rating) -> int:
    """Return a rating as whole percents of its scale, rounded down; 4 of 5 is 80."""
    # Seven of ten is 0.7, which times a hundred is a hair below 70.
    return int(rating.share * 100 + 1e-9)


def _received(event: FeedbackReceived, _id: str, _sequence: int) -> Iterator[Telling]:
    said = {
        "channel": event.channel,
        "store": event.store,
        "occurred_at": stamp(event.occurred_at),
        "received_at": stamp(event.received_at),
        "rating": percent_of(event.rating) if event.rating else None,
        "nps": event.nps,
    }
    yield event.feedback_id, Fact(Kind.RECEIVED, said)


def _classified(event: FeedbackClassified, _id: str, _sequence: int) -> Iterator[Telling]:
    received_at = stamp(event.received_at)
    said = {
        "outcome": event.outcome.value,
        "department": event.department,
        "channel": event.channel,
        "store": event.store,
        "occurred_at": stamp(event.occurred_at),
        "received_at": received_at,
        **_labels(event.labels),
    }
    yield event.feedback_id, Fact(Kind.CLASSIFIED, said, rank=event.revision)
    if event.outcome not in _UNDECIDED:
        decided = {"at": stamp(event.classified_at), "received_at": received_at}
        yield event.feedback_id, Fact(Kind.DECIDED, decided, rank=earliest(event.classified_at))


def _attached(event: FeedbackAttached, _id: str, _sequence: int) -> Iterator[Telling]:
    said = {"channel": event.channel, "reason": event.reason.value, "at": stamp(event.attached_at)}
    yield event.feedback_id, Fact(Kind.ATTACHED, said, rank=earliest(event.attached_at))


def _routed(event: TicketRouted, _id: str, _sequence: int) -> Iterator[Telling]:
    said = {
        "department": event.department,
        "channel": event.channel,
        "store": event.store,
        "at": stamp(event.routed_at),
        **_labels(event.labels),
    }
    yield event.ticket_id, Fact(Kind.ROUTED, said, of=str(event.routing))


def _progressed(event: TicketProgressed, _id: str, _sequence: int) -> Iterator[Telling]:
    if event.step not in _COUNTED_STEPS:
        return
    said = {
        "step": event.step.value,
        "cycle": event.cycle,
        "version": event.version,
        "department": event.department,
        "satisfied": event.satisfied,
        "at": stamp(event.progressed_at),
    }
    if event.step is Step.ANSWERED:
        # Only the first answer of a cycle counts, so that a long conversation keeps no more than one.
        yield event.ticket_id, Fact(Kind.STEP, said, of=f"answered/{event.cycle}", rank=-event.version)
    else:
        yield event.ticket_id, Fact(Kind.STEP, said, of=f"{event.step}/{event.version}")


def _scheduled(event: SlaScheduled, _id: str, sequence: int) -> Iterator[Telling]:
    yield event.ticket_id, _clock_as_told(event, department=event.department, rank=sequence)


def _scheduled_together(event: SlaScheduledV2, _id: str, sequence: int) -> Iterator[Telling]:
    rank = _LATER_THAN_ANY + sequence
    for clock in event.clocks:
        # Whether a case stands somewhere when its classification is told of is chance: it may be told with the routing.
        department = None if clock.target is Target.CLASSIFICATION else event.department
        yield event.ticket_id, _clock_as_told(clock, department=department, rank=rank)


def _clock_as_told(clock: SlaScheduled | ScheduledClock, *, department: str | None, rank: int) -> Fact:
    said = {
        "target": clock.target.value,
        "state": clock.state.value,
        "department": department,
        "met_at": stamp(clock.met_at) if clock.met_at else None,
    }
    return Fact(Kind.CLOCK, said, of=_clock(clock), rank=rank)


def _warned(event: SlaWarned, _id: str, _sequence: int) -> Iterator[Telling]:
    said = {
        "target": event.target.value,
        "department": event.department,
        "at": stamp(event.warned_at),
    }
    of = f"{_clock(event)}/{event.percent}"
    yield event.ticket_id, Fact(Kind.WARNED, said, of=of, rank=earliest(event.warned_at))


def _breached(event: SlaBreached, event_id: str, _sequence: int) -> Iterator[Telling]:
    said = {
        "clock": _clock(event),
        "target": event.target.value,
        "department": event.department,
        "at": stamp(event.breached_at),
    }
    yield event.ticket_id, Fact(Kind.BREACHED, said, of=event_id)


def _retracted(event: SlaRetracted, event_id: str, _sequence: int) -> Iterator[Telling]:
    yield event.ticket_id, Fact(Kind.RETRACTED, {"clock": _clock(event)}, of=event_id)


def _clock(event: SlaScheduled | ScheduledClock | SlaWarned | SlaBreached | SlaRetracted) -> str:
    return f"{event.target}/{event.cycle}"


def _labels(labels: Labels) -> dict[str, Any]:
    return {
        "nature": labels.nature.value,
        "type": labels.type,
        "subtype": labels.subtype,
        "urgency": labels.urgency.value,
    }


_TELLERS: Final[Mapping[type[Event], Callable[[Any, str, int], Iterator[Telling]]]] = {
    FeedbackReceived: _received,
    FeedbackClassified: _classified,
    FeedbackAttached: _attached,
    TicketRouted: _routed,
    TicketProgressed: _progressed,
    SlaScheduled: _scheduled,
    SlaScheduledV2: _scheduled_together,
    SlaWarned: _warned,
    SlaBreached: _breached,
    SlaRetracted: _retracted,
}

CASE_EVENTS: Final[tuple[type[Event], ...]] = tuple(_TELLERS)
"""The events that say something of a case."""
