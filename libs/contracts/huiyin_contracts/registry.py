"""Every event by its type: the one list that documents, schemas and the bus are made from."""

from collections.abc import Mapping
from typing import Final, TypeVar

from pydantic import ValidationError

from huiyin_contracts.errors import MalformedEvent, UnknownEventType
from huiyin_contracts.event import Envelope, Event
from huiyin_contracts.feedback import FeedbackAttached, FeedbackClassified, FeedbackReceived
from huiyin_contracts.people import KeyChanged, PersonChanged, UnitChanged
from huiyin_contracts.sla import SlaBreached, SlaRetracted, SlaScheduled, SlaScheduledV2, SlaWarned
from huiyin_contracts.tickets import TicketProgressed, TicketRouted

E = TypeVar("E", bound=Event)

EVENTS: Final[Mapping[str, type[Event]]] = {
    event.TYPE: event
    for event in (
        FeedbackReceived,
        FeedbackClassified,
        FeedbackAttached,
        TicketRouted,
        TicketProgressed,
        SlaScheduled,
        SlaScheduledV2,
        SlaWarned,
        SlaBreached,
        SlaRetracted,
        UnitChanged,
        PersonChanged,
        KeyChanged,
    )
}


def parse_event(envelope: Envelope) -> Event:
    """Return the event in an envelope.

    Raises UnknownEventType for a type without a contract, MalformedEvent when the data does not fit it.
    """
    model = EVENTS.get(envelope.type)
    if model is None:
        raise UnknownEventType(envelope.type)
    return parse_as(model, envelope)


def parse_as(model: type[E], envelope: Envelope) -> E:
    """Return the data of an envelope as the given event; raises MalformedEvent when it does not fit."""
    try:
        return model.model_validate_json(envelope.data)
    except ValidationError as error:
        places = ", ".join(".".join(map(str, problem["loc"])) or "(root)" for problem in error.errors()[:5])
        # The values stay out of the message: it reaches logs and dead letters, and may be a customer's text.
        raise MalformedEvent(f"{envelope.type} does not fit its contract at {places}") from None
