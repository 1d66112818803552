"""The event envelope: CloudEvents 1.0 in Kafka's binary mode (`ce_` headers, JSON value).

Why our own class and not the `cloudevents` package: it is made for every event of every consumer, and builds many times
faster; the package is the oracle of the tests.
Sources: CloudEvents 1.0.2 and its Kafka protocol binding; W3C Trace Context for `traceparent`.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema

from huiyin_contracts.errors import MalformedEvent
from huiyin_contracts.prose import attribute_prose

Headers = list[tuple[str, bytes]]
StoredHeaders = Iterable[tuple[str, bytes | None]]
"""As Kafka gives them back: it knows headers without a value, which are taken as empty."""

CONTENT_TYPE: Final = b"application/json"
_OPTIONAL_HEADERS: Final = {
    "subject": "ce_subject",
    "partition_key": "ce_partitionkey",
    "correlation_id": "ce_correlationid",
    "causation_id": "ce_causationid",
    "traceparent": "traceparent",
}
_INSTANT: Final = TypeAdapter(AwareDatetime, config=ConfigDict(hide_input_in_errors=True))


class Contract(BaseModel):
    """Base of everything that crosses a service border: frozen, and deaf to fields it does not know yet.

    Its errors never repeat a value: they reach logs and dead letters, and a value may be a customer's words. Its
    validator is made when it is first used, so that a start does not make those of all others.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema with what is written below each attribute as its description."""
        schema = handler(core_schema)
        fields = handler.resolve_ref_schema(schema).get("properties", {})
        for name, prose in attribute_prose(cls).items():
            if name in fields:
                fields[name].setdefault("description", prose)
        return schema


class Event(Contract):
    """A fact in the past tense, published by exactly one service on the topic named after its type."""

    TYPE: ClassVar[str]
    """Type and topic, `noun.past_tense`; a break is a new type ending in `.v2`."""
    VERSION: ClassVar[str] = "1.0"
    """Schema version: the second number grows with each added optional field."""
    PUBLISHER: ClassVar[str]
    """The one service that publishes it."""
    KEY: ClassVar[str]
    """The field that carries the key: the case id, or the object's own id where there is no case."""

    @property
    def key(self) -> str:
        """Return the Kafka key: all events of one case share it, so that they keep their order."""
        return str(getattr(self, self.KEY))

    @classmethod
    def schema_url(cls) -> str:
        """Return the `ce_dataschema` of this version, relative to the contracts' folder of schemas."""
        return f"https://huiyin.dev/schemas/{cls.TYPE}/{cls.VERSION}"


class Envelope(NamedTuple):
    """The attributes of one published event; `data` stays bytes, because it is encoded once and forwarded.

    A named tuple: one is made for every event of every consumer, and what is in it has been checked by `from_headers`.
    """

    id: str
    source: str
    type: str
    time: datetime
    dataschema: str
    sequence: int
    """Counts per (topic, key) from 1 without gaps, so that a consumer can prove order."""
    subject: str | None = None
    partition_key: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    traceparent: str | None = None
    data: bytes = b"{}"

    def headers(self) -> Headers:
        """Return the Kafka headers of the binary mode."""
        found: Headers = [
            ("content-type", CONTENT_TYPE),
            ("ce_specversion", b"1.0"),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            ("ce_time", self.time.isoformat().encode()),
            ("ce_dataschema", self.dataschema.encode()),
            ("ce_sequence", str(self.sequence).encode()),
        ]
        for field, header in _OPTIONAL_HEADERS.items():
            value = getattr(self, field)
            if value is not None:
                found.append((header, str(value).encode()))
        return found

    @classmethod
    def from_headers(cls, headers: StoredHeaders, value: bytes) -> "Envelope":
        """Return the envelope of a Kafka record.

        Raises MalformedEvent when a required attribute is missing or unreadable, or the value is absent.
        """
        found = dict(headers)
        if found.get("ce_specversion") != b"1.0":
            raise MalformedEvent("ce_specversion is not 1.0")
        try:
            return cls(
                (found["ce_id"] or b"").decode(),
                (found["ce_source"] or b"").decode(),
                (found["ce_type"] or b"").decode(),
                _instant(found["ce_time"] or b""),
                (found["ce_dataschema"] or b"").decode(),
                int(found["ce_sequence"] or b""),
                (found["ce_subject"] or b"").decode() if "ce_subject" in found else None,
                (found["ce_partitionkey"] or b"").decode() if "ce_partitionkey" in found else None,
                (found["ce_correlationid"] or b"").decode() if "ce_correlationid" in found else None,
                (found["ce_causationid"] or b"").decode() if "ce_causationid" in found else None,
                (found["traceparent"] or b"").decode() if "traceparent" in found else None,
                value,
            )
        except KeyError as missing:
            raise MalformedEvent(f"header {missing.args[0]} is missing") from None
        except UnicodeDecodeError as error:
            raise MalformedEvent("a header is not UTF-8") from error
        except ValueError as error:
            raise MalformedEvent("ce_time or ce_sequence cannot be read") from error


@lru_cache(maxsize=256)
def _instant(value: bytes) -> datetime:
    """Return a moment; events of one transaction share theirs."""
    return _INSTANT.validate_python(value.decode())
