"""Records of the log, read once: either an event a handler takes, or what is wrong with it.

Named tuples, here and in `subscriptions`: they are made for every event of every consumer, at a third of the price of a
frozen dataclass.
"""

from functools import cache
from typing import Final, NamedTuple

from huiyin_contracts.errors import MalformedEvent
from huiyin_contracts.event import Envelope, Event
from huiyin_contracts.registry import parse_as
from huiyin_eventbus.errors import UnknownMajorVersion
from huiyin_eventbus.headers import Headers
from huiyin_eventbus.subscriptions import Received, Subscriptions

LONGEST_NAME: Final = 256
"""Characters of an id or key: they are in indexes, and may come from anyone who can write to a topic."""


class RawRecord(NamedTuple):
    """A record as it stands in the log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    body: bytes | None


class Delivery(NamedTuple):
    """A record of a subscribed type: `received`, or the `problem` that makes it unreadable."""

    record: RawRecord
    event_id: str
    key: str
    received: Received[Event] | None
    problem: Exception | None


def read(record: RawRecord, subscriptions: Subscriptions) -> Delivery | None:
    """Return the delivery of a record, None when nobody here takes its type; never raises for what is in it."""
    try:
        envelope = _envelope(record)
    except MalformedEvent as problem:
        return _unreadable(record, problem) if _is_ours(record, subscriptions) else None
    model = subscriptions.model(envelope.type)
    if model is None:
        return None
    try:
        received = _received(record, envelope, model)
    except (MalformedEvent, UnknownMajorVersion) as problem:
        return _unreadable(record, problem)
    return Delivery(record, envelope.id, received.key, received, None)


def _envelope(record: RawRecord) -> Envelope:
    if record.body is None:
        raise MalformedEvent("the record has no value")
    return Envelope.from_headers(record.headers, record.body)


def _is_ours(record: RawRecord, subscriptions: Subscriptions) -> bool:
    """Tell whether an unreadable record claims a type that is taken here, or none at all."""
    event_type = dict(record.headers).get("ce_type")
    return not event_type or subscriptions.model(event_type.decode("utf-8", "replace")) is not None


def _received(record: RawRecord, envelope: Envelope, model: type[Event]) -> Received[Event]:
    key = record.key.decode("utf-8", "replace") if record.key is not None else envelope.id
    if not (_is_storable(envelope.id) and _is_storable(key)):
        raise MalformedEvent("the id or key is empty, too long or has a NUL")
    _check_origin(record, envelope, model)
    _check_major(envelope, model)
    event = parse_as(model, envelope)
    return Received(event, envelope, record.topic, record.partition, record.offset, key)


def _is_storable(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and "\x00" not in name


def _check_origin(record: RawRecord, envelope: Envelope, model: type[Event]) -> None:
    """Raise MalformedEvent for an event that is not where its only publisher puts it.

    Brokers grant topics, not types: without this, whoever may write to one topic could say anything of any service.
    """
    if record.topic != model.TYPE:
        raise MalformedEvent(f"{model.TYPE} does not travel on this topic")
    if envelope.source != _origin(model).source:
        raise MalformedEvent(f"{model.TYPE} does not come from its publisher")
    if envelope.correlation_id and len(envelope.correlation_id) > LONGEST_NAME:
        raise MalformedEvent("the correlation id is too long")


def _check_major(envelope: Envelope, model: type[Event]) -> None:
    if envelope.dataschema == _origin(model).dataschema:
        return
    version = envelope.dataschema.rsplit("/", 1)[-1]
    if version.split(".")[0] != model.VERSION.split(".")[0]:
        raise UnknownMajorVersion(model.TYPE, dataschema=envelope.dataschema)


class _Origin(NamedTuple):
    """What the events of a contract are published with by the version that is running here."""

    source: str
    dataschema: str


@cache
def _origin(model: type[Event]) -> _Origin:
    return _Origin(f"/services/{model.PUBLISHER}", model.schema_url())


def _unreadable(record: RawRecord, problem: Exception) -> Delivery:
    # Named by its place: an id that cannot be trusted could hide another event from the inbox.
    place = f"{record.topic}:{record.partition}:{record.offset}"
    key = (record.key or b"").decode("utf-8", "replace").replace("\x00", "")[:LONGEST_NAME]
    return Delivery(record, place, key or place, None, problem)
