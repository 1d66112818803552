"""The consumer: every event takes effect exactly once, whatever is delivered, replayed, lost or restarted."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

import huiyin_failpoints
from huiyin_broker import Broker, BrokerSettings
from huiyin_chassis.db import Database
from huiyin_eventbus import tracing
from huiyin_eventbus.consumer import Consumer, ConsumerState
from huiyin_eventbus.errors import LostOwnership
from huiyin_eventbus.inbox import forget_inbox, forget_seen
from huiyin_eventbus.kafka import KafkaSettings
from huiyin_eventbus.offsets import Position, move_offsets, own_partitions, read_positions, rewind
from huiyin_eventbus.outbox import Outgoing, append
from huiyin_eventbus.parking import Backoff
from huiyin_eventbus.subscriptions import Received, Subscriptions
from huiyin_eventbus.taking import Polled, take_batch
from huiyin_failpoints import armed_by
from tests.eventbus.driver import BusDriver, Probe, probe_event, quick_settings, store_effects, until

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


class OutageDatabase:
    """A database that is out of reach, or fails for another reason, for a number of transactions."""

    def __init__(self, database: Database, *, outages: int, error: Exception | None = None) -> None:
        self._database = database
        self._error = error or OperationalError("COMMIT", {}, ConnectionResetError("gone"))
        self.outages = outages
        self.dialect_name = database.dialect_name
        self.path = database.path

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Lose the connection at the commit while the outage lasts."""
        async with self._database.writing() as tx:
            yield tx
            if self.outages > 0:
                self.outages -= 1
                raise self._error

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Read as ever."""
        async with self._database.reading() as tx:
            yield tx


async def beginning(bus: BusDriver) -> dict[TopicPartition, int]:
    return {TopicPartition(bus.topic, number): 0 for number in range(bus.kafka.partitions)}


async def is_running(consumer: Consumer) -> bool:
    return consumer.state is ConsumerState.RUNNING


async def test_events_of_a_key_take_effect_in_order_and_in_batches(every_bus: BusDriver) -> None:
    calls: list[int] = []

    async def handler(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
        calls.append(len(received))
        await store_effects(tx, received)

    await every_bus.publish(*[every_bus.probe(n, key=f"case-{n % 4}") for n in range(600)])
    await every_bus.consumer(handler)
    effects = await every_bus.until_effects(600)

    by_key = defaultdict(list)
    for row in effects:
        by_key[row.key].append(row.sequence)
    assert all(found == list(range(1, 151)) for found in by_key.values())
    assert len(calls) < 30


async def test_a_handler_appends_to_the_outbox_in_the_same_transaction(bus: BusDriver) -> None:
    async def handler(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
        await append(
            tx,
            *[
                Outgoing(each.event, cause=each, topic=f"{bus.topic}.answered", event_id=f"{each.id}.answer")
                for each in received
            ],
        )

    await bus.relay()
    await bus.consumer(handler)
    await bus.append(bus.probe(1))

    async def is_answered() -> bool:
        return bool(await bus.outbox_is_empty() and await bus.log(f"{bus.topic}.answered"))

    await until(is_answered)
    (cause,), (answer,) = await bus.log(), await bus.log(f"{bus.topic}.answered")
    assert dict(answer.headers)["ce_causationid"] == dict(cause.headers)["ce_id"]


async def test_a_replay_changes_nothing(every_bus: BusDriver) -> None:
    await every_bus.publish(*[every_bus.probe(n, key=f"case-{n}") for n in range(20)])
    await every_bus.consumer()
    await every_bus.until_effects(20)

    async with every_bus.database.writing() as tx:
        await rewind(tx, every_bus.group, await beginning(every_bus))

    async def is_at_the_end() -> bool:
        async with every_bus.database.reading() as tx:
            return sum(p.next_offset for p in (await read_positions(tx, every_bus.group)).values()) == 20

    await until(is_at_the_end)
    assert len(await every_bus.effects()) == 20


async def test_a_rebuild_forgets_the_inbox_and_takes_every_event_again(bus: BusDriver) -> None:
    await bus.publish(*[bus.probe(n) for n in range(10)])
    consumer = await bus.consumer()
    await bus.until_effects(10)
    await consumer.stop()

    async with bus.database.writing() as tx:
        forgotten = await forget_inbox(tx, bus.group)
        await rewind(tx, bus.group, await beginning(bus))
    await bus.consumer()

    assert forgotten == 10
    assert len(await bus.until_effects(20)) == 20


async def test_an_event_published_twice_takes_effect_once(bus: BusDriver) -> None:
    again = Outgoing(bus.probe(1), event_id="the-same")

    await bus.publish(again, bus.probe(2), again)
    await bus.publish(again)
    await bus.publish(bus.probe(3))
    await bus.consumer()
    await bus.until_effects(3)

    assert await bus.numbers() == [1, 2, 3]
    assert len(await bus.log()) == 5


async def test_a_type_nobody_here_takes_is_passed_over(bus: BusDriver) -> None:
    await bus.publish(Outgoing(probe_event("probe.unknown")(case_id="case", number=1), topic=bus.topic))

    await bus.publish(bus.probe(2))
    await bus.consumer()
    await bus.until_effects(1)

    assert await bus.numbers() == [2]
    assert await bus.dead() == []


async def test_a_new_group_begins_with_the_first_event_and_an_old_one_goes_on(bus: BusDriver) -> None:
    await bus.publish(bus.probe(1))
    consumer = await bus.consumer()
    await bus.until_effects(1)
    await consumer.stop()

    await bus.publish(bus.probe(2))
    await bus.consumer()
    await bus.until_effects(2)

    assert await bus.numbers() == [1, 2]


async def test_while_the_database_is_out_of_reach_nothing_moves_and_nothing_is_lost(bus: BusDriver) -> None:
    outage = OutageDatabase(bus.database, outages=0)
    consumer = await bus.consumer(database=outage)
    await until(lambda: is_running(consumer))
    outage.outages = 4
    await bus.publish(*[bus.probe(n, key=f"case-{n % 3}") for n in range(9)])

    async def is_waiting() -> bool:
        return consumer.state is ConsumerState.WAITING

    await until(is_waiting)
    assert not consumer.healthy
    await bus.until_effects(9)
    await until(lambda: is_running(consumer))
    assert sorted(await bus.numbers()) == list(range(9))
    assert await bus.dead() == []


async def test_a_commit_that_fails_after_the_effects_moves_no_offset(every_bus: BusDriver) -> None:
    outage = OutageDatabase(every_bus.database, outages=0)
    tries: list[int] = []

    async def handler(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
        await store_effects(tx, received)
        tries.append(len(received))
        outage.outages = 1 if len(tries) == 1 else 0

    await every_bus.publish(*[every_bus.probe(n) for n in range(5)])
    await every_bus.consumer(handler, database=outage)

    async def has_effects() -> bool:
        return len(await every_bus.effects()) == 5

    await until(has_effects, seconds=10)
    assert await every_bus.numbers() == [0, 1, 2, 3, 4]
    assert tries == [5, 5]


async def test_an_offset_that_has_moved_meanwhile_is_not_set_back(database: Database) -> None:
    place = TopicPartition("t", 0)
    async with database.writing() as tx:
        owned = await own_partitions(tx, "g", {place: 0})
    async with database.writing() as tx:
        await move_offsets(tx, "g", owned, to={place: 5})

    # A batch whose commit was answered by a broken connection is taken again from where it began.
    with pytest.raises(LostOwnership):
        async with database.writing() as tx:
            await move_offsets(tx, "g", owned, to={place: 3})

    async with database.reading() as tx:
        assert await read_positions(tx, "g") == {place: Position(5, owned[place].epoch)}


async def test_one_partition_that_was_lost_keeps_all_from_moving(database: Database) -> None:
    first, second = TopicPartition("probe.said", 0), TopicPartition("probe.said", 1)
    async with database.writing() as tx:
        owned = await own_partitions(tx, "g", {first: 0, second: 0})
        await own_partitions(tx, "g", {second: 0})

    with pytest.raises(LostOwnership):
        async with database.writing() as tx:
            await move_offsets(tx, "g", owned, to={first: 5, second: 7})

    async with database.reading() as tx:
        stored = await read_positions(tx, "g")
    assert [stored[each].next_offset for each in (first, second)] == [0, 0]


async def test_a_bug_at_the_commit_is_told_with_its_traceback_and_tried_again(bus: BusDriver) -> None:
    buggy = OutageDatabase(bus.database, outages=0, error=TypeError("a bug of ours"))
    consumer = await bus.consumer(database=buggy)
    await until(lambda: is_running(consumer))
    buggy.outages = 3

    with capture_logs() as logs:
        await bus.publish(bus.probe(1))
        await bus.until_effects(1)

    told = [(each["log_level"], each["error"]) for each in logs if each["event"] == "consumer_waits"]
    assert told == [("error", "TypeError"), ("warning", "TypeError"), ("warning", "TypeError")]


async def test_stopping_finishes_the_batch_in_hand(bus: BusDriver) -> None:
    began = asyncio.Event()

    async def slow(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
        began.set()
        await asyncio.sleep(0.5)
        await store_effects(tx, received)

    consumer = await bus.consumer(slow)
    await bus.publish(bus.probe(1))
    await asyncio.wait_for(began.wait(), 10)
    await consumer.stop()

    assert await bus.numbers() == [1]
    assert consumer.state is ConsumerState.STOPPED


async def test_the_handler_works_in_the_trace_of_its_event(bus: BusDriver) -> None:
    seen: list[str | None] = []

    async def handler(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
        seen.append(tracing.trace_id(tracing.current_traceparent()))
        await store_effects(tx, received)

    traceparent = tracing.new_traceparent()
    with tracing.traced(traceparent):
        await bus.publish(bus.probe(1))
    await bus.consumer(handler)
    await bus.until_effects(1)

    assert seen == [tracing.trace_id(traceparent)]


async def test_two_consumers_share_and_the_death_of_one_loses_nothing(every_bus: BusDriver) -> None:
    hasty = KafkaSettings(
        bootstrap=every_bus.kafka.bootstrap,
        session_timeout=timedelta(seconds=6),
        heartbeat=timedelta(seconds=1),
        rebalance_timeout=timedelta(seconds=6),
    )
    dying, staying = await every_bus.consumer(kafka=hasty), await every_bus.consumer(kafka=hasty)

    async def both_are_assigned() -> bool:
        return dying.is_assigned and staying.is_assigned

    await until(both_are_assigned)
    await every_bus.publish(*[every_bus.probe(n, key=f"case-{n % 40}") for n in range(200)])
    await kill(dying)
    await every_bus.publish(*[every_bus.probe(n, key=f"case-{n % 40}") for n in range(200, 400)])
    effects = await every_bus.until_effects(400)

    assert sorted(row.number for row in effects) == list(range(400))
    by_key = defaultdict(list)
    for row in effects:
        by_key[row.key].append(row.sequence)
    assert all(found == list(range(1, 11)) for found in by_key.values())


async def kill(consumer: Consumer) -> None:
    """End a consumer without a word to the broker, as a crash would."""
    membership = consumer._membership
    assert membership is not None
    coordinator: Any = membership._consumer._coordinator
    tasks = [*consumer._tasks, coordinator._coordination_task, coordinator._heartbeat_task]
    for task in tasks:
        task.cancel()
    # The member must not say goodbye on its way out.
    coordinator._maybe_leave_group = _say_nothing
    await asyncio.gather(*tasks, return_exceptions=True)


async def _say_nothing() -> None:
    return None


async def test_a_consumer_that_lost_its_partition_rolls_everything_back(every_bus: BusDriver) -> None:
    await every_bus.publish(every_bus.probe(1))
    (record,) = await every_bus.log()
    place = TopicPartition(record.topic, record.partition)
    subscriptions = Subscriptions()
    subscriptions.on(every_bus.event)(store_effects)
    polled = Polled.of({place: [record]}, subscriptions)
    async with every_bus.database.writing() as tx:
        former = await own_partitions(tx, every_bus.group, {place: 0})
    async with every_bus.database.writing() as tx:
        await own_partitions(tx, every_bus.group, {place: 0})

    with pytest.raises(LostOwnership):
        async with every_bus.database.writing() as tx:
            await take_batch(
                tx,
                every_bus.group,
                polled,
                positions=former,
                subscriptions=subscriptions,
                backoff=Backoff(),
                now=NOW,
            )

    async with every_bus.database.reading() as tx:
        stored = await read_positions(tx, every_bus.group)
    assert former == {place: Position(0, 1)}
    assert stored == {place: Position(0, 2)}
    assert await every_bus.effects() == []


async def test_a_log_that_begins_later_than_we_read_is_taken_from_where_it_begins(bus: BusDriver) -> None:
    await bus.publish(bus.probe(1))
    (record,) = await bus.log()
    async with bus.database.writing() as tx:
        await rewind(tx, bus.group, {TopicPartition(bus.topic, record.partition): 5000})

    await bus.consumer()
    effects = await bus.until_effects(1)

    assert [row.number for row in effects] == [1]


async def test_old_inbox_entries_are_deleted_in_chunks(bus: BusDriver) -> None:
    await bus.publish(*[bus.probe(n) for n in range(5)])
    consumer = await bus.consumer(settings=quick_settings(inbox_age=timedelta(days=30)))
    await bus.until_effects(5)
    await consumer.stop()
    later = datetime.now(UTC) + timedelta(days=31)

    async with bus.database.writing() as tx:
        kept = await forget_seen(tx, before=later - timedelta(days=62))
        first = await forget_seen(tx, before=later, limit=3)
        rest = await forget_seen(tx, before=later, limit=3)

    assert (kept, first, rest) == (0, 3, 2)


async def test_a_zombie_with_a_batch_in_hand_takes_it_once_and_nothing_more(bus: BusDriver) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
        began.set()
        await go_on.wait()
        await store_effects(tx, received)

    hasty = KafkaSettings(
        bootstrap=bus.kafka.bootstrap,
        session_timeout=timedelta(seconds=6),
        heartbeat=timedelta(seconds=1),
        rebalance_timeout=timedelta(seconds=6),
    )
    zombie = await bus.consumer(slow, kafka=hasty)
    await bus.publish(*[bus.probe(n) for n in range(5)])
    await asyncio.wait_for(began.wait(), 10)
    await fall_silent(zombie)
    successor = await bus.consumer(kafka=hasty)
    await asyncio.sleep(1)
    go_on.set()
    await until(lambda: is_running(successor))
    await bus.publish(*[bus.probe(n) for n in range(5, 10)])
    await bus.until_effects(10)

    assert await bus.numbers() == list(range(10))


async def fall_silent(consumer: Consumer) -> None:
    """Stop a consumer's heartbeats, as a frozen process would, while its batch is in hand."""
    membership = consumer._membership
    assert membership is not None
    coordinator: Any = membership._consumer._coordinator
    coordinator._maybe_leave_group = _say_nothing
    for task in (coordinator._coordination_task, coordinator._heartbeat_task):
        task.cancel()
    await asyncio.gather(coordinator._coordination_task, coordinator._heartbeat_task, return_exceptions=True)


async def test_a_static_member_that_restarts_goes_on_without_waiting_for_its_session(bus: BusDriver) -> None:
    first = await bus.consumer(settings=quick_settings(instance=0))
    await until(lambda: is_running(first))
    await first.stop()
    await bus.publish(bus.probe(1))

    async with asyncio.timeout(5):
        second = await bus.consumer(settings=quick_settings(instance=0))
        await bus.until_effects(1)
    assert second.is_assigned


async def test_a_broker_that_falls_silent_makes_the_consumer_wait_and_join_anew(
    broker: Broker, database: Database, tmp_path: Path
) -> None:
    hasty = KafkaSettings(
        bootstrap=broker.bootstrap,
        session_timeout=timedelta(seconds=2),
        heartbeat=timedelta(milliseconds=500),
        rebalance_timeout=timedelta(seconds=2),
        request_timeout=timedelta(seconds=2),
    )
    bus = BusDriver(hasty, database, event=probe_event("probe.silent"))
    await bus.publish(bus.probe(1))
    consumer = await bus.consumer()
    await bus.until_effects(1)
    port = broker.port

    async def is_waiting() -> bool:
        return consumer.state is ConsumerState.WAITING

    await broker.stop()
    await until(is_waiting)
    again = Broker(BrokerSettings(path=tmp_path / "broker.db", port=port))
    await again.start()
    await bus.publish(bus.probe(2))
    await bus.until_effects(2)

    assert await bus.numbers() == [1, 2]
    await until(lambda: is_running(consumer))
    await bus.close()
    await again.stop()


async def test_a_commit_whose_answer_was_lost_looks_like_no_gap(
    bus: BusDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as logs:
        await bus.consumer()
        await bus.publish(bus.probe(1))
        await bus.until_effects(1)
        monkeypatch.setattr(huiyin_failpoints, "_armed", armed_by("consumer.after_commit=error"))
        await bus.publish(bus.probe(2))
        await bus.until_effects(2)
        await until(lambda: _is_logged(logs, "ownership_lost"))

        await bus.publish(bus.probe(3))
        await bus.until_effects(3)
        await bus.close()

    assert await bus.numbers() == [1, 2, 3]
    assert not await _is_logged(logs, "sequence_irregular")


async def _is_logged(logs: Sequence[MutableMapping[str, Any]], event: str) -> bool:
    return any(entry["event"] == event for entry in logs)
