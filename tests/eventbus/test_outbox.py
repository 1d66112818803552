"""The outbox: an event exists exactly when the transaction it was appended in does."""

import asyncio

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from sqlalchemy import func, select

from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Database
from huiyin_contracts.event import Envelope
from huiyin_eventbus import headers, tracing
from huiyin_eventbus.errors import EventTooLarge
from huiyin_eventbus.kafka import KafkaSettings
from huiyin_eventbus.outbox import LARGEST_BYTES, Outgoing, outbox_backlog
from huiyin_eventbus.subscriptions import Received
from huiyin_eventbus.tables import outbox
from tests.eventbus.driver import BusDriver, Probe, probe_event

NOWHERE = KafkaSettings(bootstrap="127.0.0.1:1")


@pytest.fixture
def written(database: Database) -> BusDriver:
    """Give a bus whose broker is never asked."""
    return BusDriver(NOWHERE, database, event=probe_event("probe.written"))


async def envelopes(bus: BusDriver) -> list[Envelope]:
    rows = await bus.rows(select(outbox.c.headers, outbox.c.payload).order_by(outbox.c.seq))
    return [Envelope.from_headers(headers.from_text(row.headers), row.payload) for row in rows]


def received(event: Probe, envelope: Envelope) -> Received[Probe]:
    return Received(event, envelope, topic="probe.cause", partition=0, offset=0, key=event.key)


async def test_a_rolled_back_transaction_leaves_no_event_and_no_gap_in_the_sequence(
    written: BusDriver,
) -> None:
    await written.append(written.probe(1))
    with pytest.raises(ZeroDivisionError):
        await written.append_and_fail(written.probe(2))
    await written.append(written.probe(3))

    found = await envelopes(written)

    assert [each.sequence for each in found] == [1, 2]
    assert [b'"number":3' in each.data for each in found] == [False, True]


async def test_events_keep_the_order_they_were_given_in_and_are_counted_per_topic_and_key(
    written: BusDriver,
) -> None:
    first = [written.probe(0, key="a"), written.probe(1, key="b"), written.probe(2, key="a")]

    await written.append(*first, Outgoing(written.probe(3, key="a"), topic="probe.copy"))
    await written.append(written.probe(4, key="a"))

    rows = await written.rows(select(outbox).order_by(outbox.c.seq))
    assert [(row.topic, row.key) for row in rows] == [
        ("probe.written", "a"),
        ("probe.written", "b"),
        ("probe.written", "a"),
        ("probe.copy", "a"),
        ("probe.written", "a"),
    ]
    assert [each.sequence for each in await envelopes(written)] == [1, 1, 2, 1, 3]


async def test_the_only_event_of_its_key_is_its_first_among_others_that_are_counted(
    written: BusDriver,
) -> None:
    await written.append(
        written.probe(0, key="a"),
        Outgoing(written.probe(1, key="alone"), is_only_one=True),
        written.probe(2, key="a"),
    )
    await written.append(Outgoing(written.probe(3, key="alone too"), is_only_one=True))

    assert [(each.subject, each.sequence) for each in await envelopes(written)] == [
        ("a", 1),
        ("alone", 1),
        ("a", 2),
        ("alone too", 1),
    ]


async def test_an_event_that_is_encoded_already_leaves_as_it_is(written: BusDriver) -> None:
    event = written.probe(1)
    encoded = b" " + event.model_dump_json().encode()

    await written.append(Outgoing(event, data=encoded))

    assert [each.data for each in await envelopes(written)] == [encoded]


async def test_the_numbers_of_deleted_rows_are_not_given_again(written: BusDriver) -> None:
    await written.append(written.probe(1))
    highest = await written.count(select(func.max(outbox.c.seq)))
    async with written.database.writing() as tx:
        await tx.execute(outbox.delete())

    await written.append(written.probe(2))

    assert await written.count(select(func.max(outbox.c.seq))) > highest


async def test_writers_of_one_key_get_their_numbers_in_the_order_of_their_commits(
    written: BusDriver,
) -> None:
    async def write(writer: int) -> None:
        for n in range(10):
            keys = ["a", "b"] if writer % 2 else ["b", "a"]
            await written.append(*[written.probe(n, key=key) for key in keys])

    await asyncio.gather(*[write(writer) for writer in range(8)])

    by_key: dict[str | None, list[int]] = {"a": [], "b": []}
    for each in await envelopes(written):
        by_key[each.partition_key].append(each.sequence)
    assert by_key == {"a": list(range(1, 81)), "b": list(range(1, 81))}


async def test_the_headers_are_a_valid_cloudevent(written: BusDriver) -> None:
    await written.append(written.probe(7, key="case-7"))

    (row,) = await written.rows(select(outbox))
    event = from_binary_event(
        KafkaMessage(dict(headers.from_text(row.headers)), row.key.encode(), row.payload)
    )
    assert event.get_id() == row.id
    assert event.get_type() == "probe.written"
    assert event.get_source() == "/services/tests"
    assert event.get_subject() == "case-7"
    assert event.get_dataschema() == "https://huiyin.dev/schemas/probe.written/1.0"
    assert event.get_extension("partitionkey") == "case-7"
    assert event.get_data() == {"case_id": "case-7", "number": 7, "wish": ""}


async def test_the_cause_hands_on_correlation_causation_and_trace(written: BusDriver) -> None:
    await written.append(written.probe(1))
    (root,) = await envelopes(written)
    traceparent = tracing.new_traceparent()
    cause = received(written.probe(1), root._replace(traceparent=traceparent))

    await written.append(Outgoing(written.probe(2), cause=cause))

    effect = (await envelopes(written))[1]
    assert root.correlation_id == root.id
    assert root.causation_id is None
    assert effect.correlation_id == root.id
    assert effect.causation_id == root.id
    assert tracing.trace_id(effect.traceparent) == tracing.trace_id(traceparent)
    assert effect.traceparent != traceparent


@pytest.mark.parametrize("key", ["case-1", '壶 "quoted" \\ and \n more'])
@pytest.mark.parametrize("has_cause", [True, False])
@pytest.mark.parametrize("traceparent", [None, tracing.new_traceparent()])
async def test_the_stored_headers_are_those_of_the_envelope(
    written: BusDriver, *, key: str, has_cause: bool, traceparent: str | None
) -> None:
    cause = Envelope(
        id=key, source="/s", type="t", time=utc_now(), dataschema="d", sequence=1, traceparent=traceparent
    )
    event = written.probe(2, key=key)

    with tracing.traced(traceparent):
        await written.append(Outgoing(event, cause=received(written.probe(1), cause) if has_cause else None))

    (row,) = await written.rows(select(outbox))
    (envelope,) = await envelopes(written)
    assert row.headers == headers.to_text(envelope.headers())
    assert (envelope.id, envelope.subject, envelope.time) == (row.id, key, row.created_at)
    assert envelope.causation_id == (key if has_cause else None)
    assert envelope.correlation_id == (key if has_cause else row.id)
    assert tracing.trace_id(envelope.traceparent) == tracing.trace_id(traceparent)


async def test_an_event_without_cause_is_in_the_trace_of_the_door(written: BusDriver) -> None:
    traceparent = tracing.new_traceparent()

    with tracing.traced(traceparent):
        await written.append(written.probe(1))
    await written.append(written.probe(2))

    assert [each.traceparent for each in await envelopes(written)] == [traceparent, None]


async def test_an_id_may_be_given_and_is_else_ordered_by_time(written: BusDriver) -> None:
    await written.append(Outgoing(written.probe(1), event_id="breach-1"))
    await written.append(written.probe(2))
    await written.append(written.probe(3))

    given, *made = [each.id for each in await envelopes(written)]

    assert given == "breach-1"
    assert made == sorted(made)
    assert all(each[14] == "7" for each in made)


async def test_an_event_that_the_log_would_refuse_is_refused_at_once(written: BusDriver) -> None:
    with pytest.raises(EventTooLarge) as refused:
        await written.append(written.probe(1, wish="x" * LARGEST_BYTES))

    assert refused.value.size_bytes > LARGEST_BYTES
    assert await written.outbox_is_empty()


async def test_the_backlog_tells_how_much_waits_since_when(written: BusDriver) -> None:
    await written.append(written.probe(1), written.probe(2))
    await written.append()

    async with written.database.reading() as tx:
        backlog = await outbox_backlog(tx)

    assert backlog.rows == 2
    assert backlog.oldest_at == (await envelopes(written))[0].time
