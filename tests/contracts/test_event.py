"""The envelope is CloudEvents 1.0 in Kafka's binary mode, and the `cloudevents` package agrees."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from huiyin_contracts.errors import MalformedEvent, UnknownEventType
from huiyin_contracts.event import Envelope, Event, Headers
from huiyin_contracts.registry import EVENTS, parse_event
from huiyin_eventbus.asyncapi import sample_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
visible = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)


def envelope(**changes: Any) -> Envelope:
    fields: dict[str, Any] = {
        "id": "01975e1a-7c00-7000-8000-000000000009",
        "source": "/services/router",
        "type": "ticket.routed",
        "time": NOON,
        "dataschema": "https://huiyin.dev/schemas/ticket.routed/1.0",
        "sequence": 3,
        "subject": "case-1",
        "partition_key": "case-1",
        "correlation_id": "c-1",
        "causation_id": "e-1",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "data": EVENTS["ticket.routed"]
        .model_validate(sample_of(EVENTS["ticket.routed"]))
        .model_dump_json()
        .encode(),
    }
    return Envelope(**{**fields, **changes})


@given(subject=visible, sequence=st.integers(1, 2**53), correlation_id=st.none() | visible)
def test_what_goes_into_headers_comes_out_again(
    subject: str, sequence: int, correlation_id: str | None
) -> None:
    sent = envelope(subject=subject, sequence=sequence, correlation_id=correlation_id)

    assert Envelope.from_headers(sent.headers(), sent.data) == sent


def test_the_cloudevents_package_reads_what_we_publish() -> None:
    sent = envelope()

    read = from_binary_event(KafkaMessage(headers=dict(sent.headers()), key=b"case-1", value=sent.data))

    assert read.get_id() == sent.id
    assert read.get_type() == "ticket.routed"
    assert read.get_source() == "/services/router"
    assert read.get_subject() == "case-1"
    assert read.get_time() == NOON
    assert read.get_dataschema() == sent.dataschema
    assert read.get_extension("sequence") == "3"
    assert read.get_extension("correlationid") == "c-1"
    data = read.get_data()
    assert isinstance(data, dict)
    assert data["department"] == "logistics"


def test_we_read_what_the_cloudevents_package_publishes() -> None:
    event = EVENTS["unit.changed"]
    attributes = {
        "id": "e-7",
        "source": "/services/directory",
        "type": "unit.changed",
        "specversion": "1.0",
        "time": NOON,
        "dataschema": event.schema_url(),
        "sequence": "1",
        "partitionkey": "u-logistics",
        "datacontenttype": "application/json",
    }

    message = to_binary_event(CloudEvent(attributes=attributes, data=sample_of(event)))
    read = Envelope.from_headers(list(message.headers.items()), message.value)

    assert read.id == "e-7"
    assert read.time == NOON
    assert parse_event(read) == event.model_validate(sample_of(event))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_sequence", b"first"),
        ("ce_time", b"yesterday"),
        ("ce_time", b"2026-11-22T12:00:00"),
        ("ce_id", b"\xff\xfe"),
    ],
)
def test_an_unreadable_header_is_a_malformed_event(header: str, value: bytes) -> None:
    headers: Headers = [(name, value if name == header else old) for name, old in envelope().headers()]

    with pytest.raises(MalformedEvent):
        Envelope.from_headers(headers, b"{}")


def test_headers_of_others_may_be_anything() -> None:
    sent = envelope()

    assert Envelope.from_headers([*sent.headers(), ("x-trace", b"\xff\xfe"), ("x", None)], sent.data) == sent


@pytest.mark.parametrize(
    "header", ["ce_id", "ce_source", "ce_type", "ce_time", "ce_dataschema", "ce_sequence"]
)
def test_a_missing_header_is_named(header: str) -> None:
    headers = [(name, value) for name, value in envelope().headers() if name != header]

    with pytest.raises(MalformedEvent, match=header):
        Envelope.from_headers(headers, b"{}")


def test_an_event_without_a_contract_is_unknown() -> None:
    with pytest.raises(UnknownEventType) as error:
        parse_event(envelope(type="ticket.evaporated"))

    assert error.value.event_type == "ticket.evaporated"


def test_a_malformed_event_names_the_place_and_never_the_customers_words() -> None:
    data = b'{"ticket_id": "1", "text": "my phone is 13800000000", "priority": "13800000000x"}'

    with pytest.raises(MalformedEvent) as error:
        parse_event(envelope(data=data))

    assert "priority" in str(error.value) or "feedback_id" in str(error.value)
    assert "13800000000" not in str(error.value)


@pytest.mark.parametrize("model", EVENTS.values(), ids=EVENTS)
def test_an_error_tells_no_value_it_was_given(model: type[Event]) -> None:
    data = {name: {"any": "canary-7f3a"} for name in model.model_fields}

    with pytest.raises(ValidationError) as refused:
        model.model_validate_json(json.dumps(data))

    assert "canary-7f3a" not in str(refused.value)
