"""Reading a record: an event, nothing of ours, or something that cannot be read; never an exception."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyin_eventbus import headers
from huiyin_eventbus.deliveries import RawRecord, read
from huiyin_eventbus.subscriptions import Subscriptions
from tests.eventbus.driver import probe_event, store_effects

GOOD = {
    "ce_specversion": "1.0",
    "ce_id": "event-1",
    "ce_source": "/services/tests",
    "ce_type": "probe.read",
    "ce_time": "2026-11-02T09:00:00Z",
    "ce_dataschema": "https://x/probe.read/1.7",
    "ce_sequence": "3",
}
BODY = b'{"case_id": "case", "number": 1}'


def subscriptions() -> Subscriptions:
    found = Subscriptions()
    found.on(probe_event("probe.read"))(store_effects)
    return found


def record(
    changes: dict[str, str] | None = None, *, body: bytes | None = BODY, key: bytes | None = b"case"
) -> RawRecord:
    listed = [(name, text.encode()) for name, text in {**GOOD, **(changes or {})}.items() if text]
    return RawRecord("probe.read", 4, 17, key, listed, body)


def test_a_readable_record_is_an_event_with_its_envelope_and_place() -> None:
    delivery = read(record(), subscriptions())

    assert delivery
    assert delivery.received
    assert delivery.received.event.model_dump() == {"case_id": "case", "number": 1, "wish": ""}
    assert (delivery.event_id, delivery.key) == ("event-1", "case")
    assert (delivery.received.topic, delivery.received.partition, delivery.received.offset) == (
        "probe.read",
        4,
        17,
    )
    assert (delivery.received.type, delivery.received.sequence) == ("probe.read", 3)
    assert delivery.received.correlation_id == "event-1"


@pytest.mark.parametrize(
    ("topic", "changes", "told"),
    [
        ("probe.other", {}, "does not travel on this topic"),
        ("probe.read.v2", {}, "does not travel on this topic"),
        ("probe.read", {"ce_source": "/services/desk"}, "does not come from its publisher"),
        ("probe.read", {"ce_source": "/services/tests/"}, "does not come from its publisher"),
        ("probe.read", {"ce_correlationid": "c" * 257}, "correlation id is too long"),
    ],
)
def test_an_event_that_its_publisher_did_not_put_there_is_not_believed(
    topic: str, changes: dict[str, str], told: str
) -> None:
    delivery = read(record(changes)._replace(topic=topic), subscriptions())

    assert delivery
    assert delivery.received is None
    assert told in str(delivery.problem)
    assert delivery.event_id == f"{topic}:4:17"


def test_a_type_nobody_takes_is_nothing_of_ours() -> None:
    assert read(record({"ce_type": "probe.other"}), subscriptions()) is None


def test_without_a_key_an_event_stands_for_itself() -> None:
    delivery = read(record(key=None), subscriptions())

    assert delivery
    assert delivery.key == "event-1"


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        pytest.param({"ce_type": ""}, BODY, id="no type"),
        pytest.param({"ce_id": ""}, BODY, id="no id"),
        pytest.param({"ce_id": "x" * 5000}, BODY, id="endless id"),
        pytest.param({"ce_id": "a\x00b"}, BODY, id="NUL in the id"),
        pytest.param({"ce_time": "yesterday"}, BODY, id="no time"),
        pytest.param({"ce_sequence": "many"}, BODY, id="no number"),
        pytest.param({"ce_dataschema": "https://x/probe.read/2.0"}, BODY, id="next major"),
        pytest.param({}, b"not JSON", id="not JSON"),
        pytest.param({}, b"\xff\xfe", id="not UTF-8"),
        pytest.param({}, b'{"case_id": "c"}', id="field missing"),
        pytest.param({}, None, id="no value"),
    ],
)
def test_an_unreadable_record_is_named_by_its_place(changes: dict[str, str], body: bytes | None) -> None:
    delivery = read(record(changes, body=body), subscriptions())

    assert delivery
    assert delivery.received is None
    assert delivery.problem
    assert delivery.event_id == "probe.read:4:17"


@given(
    st.lists(st.tuples(st.sampled_from([*GOOD, "other"]), st.none() | st.binary(max_size=40)), max_size=9),
    st.none() | st.binary(max_size=60),
    st.none() | st.binary(max_size=400),
)
def test_no_record_makes_reading_fail(
    listed: list[tuple[str, bytes | None]], body: bytes | None, key: bytes | None
) -> None:
    delivery = read(RawRecord("probe.read", 0, 0, key, listed, body), subscriptions())

    if delivery:
        assert bool(delivery.received) != bool(delivery.problem)
        assert "\x00" not in delivery.key
        assert len(delivery.key) <= 256


@given(st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=20))))
def test_headers_survive_storage_whatever_their_bytes(listed: list[tuple[str, bytes]]) -> None:
    assert headers.from_text(headers.to_text(listed)) == listed


def test_a_header_without_a_value_is_an_empty_one() -> None:
    sent = record()

    delivery = read(sent._replace(headers=[*sent.headers, ("ce_subject", None)]), subscriptions())

    assert delivery
    assert delivery.received
    assert not delivery.received.envelope.subject
    assert headers.from_text(headers.to_text([("a", None)])) == [("a", b"")]


def test_an_unreadable_record_of_a_type_that_nobody_takes_is_none_of_ours() -> None:
    changes = {"ce_type": "probe.other", "ce_time": "soon"}

    assert read(record(changes), subscriptions()) is None
