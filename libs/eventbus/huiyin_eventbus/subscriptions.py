"""Which events a service takes, and by which handler."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.event import Envelope, Event
from huiyin_eventbus.errors import SubscribedTwice

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


class Received(NamedTuple, Generic[E_co]):
    """An event as it was taken from the log, with what its envelope says."""

    event: E_co
    envelope: Envelope
    topic: str
    partition: int
    offset: int
    key: str

    @property
    def id(self) -> str:
        """Return the event's id, the same at every delivery."""
        return self.envelope.id

    @property
    def type(self) -> str:
        """Return the event's type."""
        return self.envelope.type

    @property
    def sequence(self) -> int:
        """Return its number among the events of its topic and key, from 1."""
        return self.envelope.sequence

    @property
    def time(self) -> datetime:
        """Return when it was written to its publisher's outbox."""
        return self.envelope.time

    @property
    def correlation_id(self) -> str:
        """Return the id of the event the whole chain began with."""
        return self.envelope.correlation_id or self.envelope.id

    @property
    def traceparent(self) -> str | None:
        """Return the W3C trace context it was published in."""
        return self.envelope.traceparent


Handler = Callable[[AsyncConnection, Sequence[Received[E]]], Awaitable[None]]
"""Takes a batch in partition order inside the consumer's transaction; never commits.

Any exception means the event is poison once it stands alone; TransientFailure means later.
"""


class Subscriptions:
    """The events of one service: at most one handler each, called in the order they were subscribed.

    One handler may take several events; it then gets those of a batch in one call.
    """

    def __init__(self) -> None:
        self._models: dict[str, type[Event]] = {}
        self._handlers: dict[str, Handler[Any]] = {}

    def on(self, event: type[E]) -> Callable[[Handler[E]], Handler[E]]:
        """Subscribe the decorated handler to an event; raises SubscribedTwice when it has one already."""

        def subscribe(handler: Handler[E]) -> Handler[E]:
            if event.TYPE in self._handlers:
                raise SubscribedTwice(event.TYPE)
            self._models[event.TYPE] = event
            self._handlers[event.TYPE] = handler
            return handler

        return subscribe

    @property
    def topics(self) -> tuple[str, ...]:
        """Return the topics to read: each event travels in the topic named after its type."""
        return tuple(self._models)

    def model(self, event_type: str) -> type[Event] | None:
        """Return the contract of a subscribed type, None for one that is not subscribed."""
        return self._models.get(event_type)

    def by_handler(self) -> Mapping[Handler[Any], frozenset[str]]:
        """Return the handlers in the order of their first subscription, each with the types it takes."""
        found: dict[Handler[Any], set[str]] = {}
        for event_type, handler in self._handlers.items():
            found.setdefault(handler, set()).add(event_type)
        return {handler: frozenset(types) for handler, types in found.items()}

    def handler(self, event_type: str) -> Handler[Any]:
        """Return the handler of a subscribed type."""
        return self._handlers[event_type]
