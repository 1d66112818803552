"""The log read once: gaps are told from repeats."""

from datetime import UTC, datetime, timedelta

import pytest

from huiyin_chassis.logbook import Topic, packed, unpacked
from huiyin_contracts.event import Envelope

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def topic(*, start: int = 0) -> Topic:
    return Topic("ticket.routed", starts={0: start}, ends={0: 100})


def add(to: Topic, *events: tuple[str, int], key: str = "case") -> None:
    for event_id, sequence in events:
        envelope = Envelope(
            id=event_id, source="/", type="ticket.routed", time=NOW, dataschema="/1.0", sequence=sequence
        )
        to.add(0, key=key, envelope=envelope)


def test_an_unbroken_sequence_is_well() -> None:
    log = topic()

    add(log, ("a", 1), ("b", 2), ("c", 3))

    assert (log.broken, log.repeated) == ([], [])
    assert {unpacked(short) for short in log.ids} == {"a", "b", "c"}


@pytest.mark.parametrize(
    "events", [[("a", 2)], [("a", 1), ("b", 3)], [("a", 1), ("b", 1)], [("a", 1), ("b", 2), ("c", 1)]]
)
def test_a_missing_an_overtaking_and_a_doubled_number_are_broken(events: list[tuple[str, int]]) -> None:
    log = topic()

    add(log, *events)

    assert len(log.broken) == 1


def test_what_the_relay_published_twice_is_a_repeat_and_no_fault() -> None:
    log = topic()

    add(log, ("a", 1), ("b", 2), ("a", 1), ("b", 2), ("c", 3))

    assert log.broken == []
    assert len(log.repeated) == 2


def test_every_key_counts_for_itself() -> None:
    log = topic()

    add(log, ("a", 1), key="one")
    add(log, ("b", 1), key="two")

    assert log.broken == []


def test_where_retention_has_cut_the_beginning_off_a_key_may_begin_anywhere() -> None:
    log = topic(start=50)

    add(log, ("a", 7), ("b", 8), ("c", 10))

    assert len(log.broken) == 1


@pytest.mark.parametrize(
    "event_id",
    [
        "01a204dd-b520-7276-8c61-67e842c09bc6",
        "01A204DD-B520-7276-8C61-67E842C09BC6",
        "{1a204dd-b520-7276-8c61-67e842c09bc}",
        "urn:uuid:01a204dd-b520-7276-8c61-67e842c09bc6",
        "01a204ddb52072768c6167e842c09bc6",
        "sixteen-byte-id!",
        "",
        "编号",
        "\ud800",
    ],
)
def test_an_id_is_packed_and_comes_back_as_it_was(event_id: str) -> None:
    assert unpacked(packed(event_id)) == event_id


def test_ids_as_we_make_them_take_sixteen_bytes() -> None:
    assert len(packed("01a204dd-b520-7276-8c61-67e842c09bc6")) == 16


def test_events_that_inboxes_may_have_forgotten_are_told_apart() -> None:
    log = Topic("ticket.routed", aged_before=NOW, starts={0: 0}, ends={0: 100})
    for event_id, at in (("old", NOW - timedelta(seconds=1)), ("new", NOW)):
        envelope = Envelope(
            id=event_id, source="/", type="ticket.routed", time=at, dataschema="/1.0", sequence=1
        )
        log.add(0, key=event_id, envelope=envelope)

    assert log.aged == {packed("old")}
    assert len(log.ids) == 2
