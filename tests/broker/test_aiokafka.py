import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CommitFailedError, IllegalStateError

from huiyin_broker import Broker
from tests.broker.conftest import StartBroker

MakeConsumer = Callable[..., AIOKafkaConsumer]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as clients:
        yield clients


async def producing(broker: Broker, stack: AsyncExitStack) -> AIOKafkaProducer:
    return await stack.enter_async_context(
        AIOKafkaProducer(bootstrap_servers=broker.bootstrap, enable_idempotence=True, linger_ms=2)
    )


def consumer_of(broker: Broker, *topics: str, **options: object) -> AIOKafkaConsumer:
    given = {
        "group_id": "g",
        "auto_offset_reset": "earliest",
        "enable_auto_commit": False,
        "session_timeout_ms": 6000,
        "heartbeat_interval_ms": 200,
        "metadata_max_age_ms": 1000,
    }
    return AIOKafkaConsumer(*topics, bootstrap_servers=broker.bootstrap, **(given | options))


async def send_all(producer: AIOKafkaProducer, topic: str, numbers: range) -> None:
    sent = [await producer.send(topic, str(number).encode(), key=str(number).encode()) for number in numbers]
    await asyncio.gather(*sent)


async def take(consumer: AIOKafkaConsumer, count: int, *, seconds: float = 15) -> list[int]:
    """Return the numbers in the first `count` records that arrive."""
    taken: list[int] = []
    async with asyncio.timeout(seconds):
        while len(taken) < count:
            records = await consumer.getmany(timeout_ms=200)
            taken += [int(record.value or b"") for batch in records.values() for record in batch]
    return taken


def coordinator_of(consumer: AIOKafkaConsumer) -> Any:
    """Return the part of the client that heartbeats, for tests that silence it."""
    return consumer._coordinator


async def polled_until(consumers: list[AIOKafkaConsumer], is_settled: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_settled():
            await asyncio.gather(*[consumer.getmany(timeout_ms=50) for consumer in consumers])


def shares(consumers: list[AIOKafkaConsumer]) -> list[int]:
    return sorted(len(consumer.assignment()) for consumer in consumers)


async def test_everything_produced_is_read_once_and_in_order_per_key(
    broker: Broker, stack: AsyncExitStack
) -> None:
    producer = await producing(broker, stack)
    await send_all(producer, "t", range(3000))

    consumer = await stack.enter_async_context(consumer_of(broker, "t"))
    numbers = await take(consumer, 3000)

    assert sorted(numbers) == list(range(3000))
    for partition in consumer.assignment():
        await consumer.seek_to_beginning(partition)
    assert len(consumer.assignment()) == 3


async def test_headers_keys_and_times_come_back_unchanged(broker: Broker, stack: AsyncExitStack) -> None:
    producer = await producing(broker, stack)
    await producer.send_and_wait(
        "t", "值".encode(), key=b"k", headers=[("ce_id", b"1")], timestamp_ms=1_700_000_000_123
    )

    consumer = await stack.enter_async_context(consumer_of(broker, "t"))
    record = await asyncio.wait_for(consumer.getone(), 10)

    assert (record.key, record.value, record.headers) == (b"k", "值".encode(), (("ce_id", b"1"),))
    assert record.timestamp == 1_700_000_000_123


@pytest.mark.parametrize("compression", ["gzip"])
async def test_compressed_batches_pass_through(
    broker: Broker, stack: AsyncExitStack, compression: str
) -> None:
    producer = await stack.enter_async_context(
        AIOKafkaProducer(bootstrap_servers=broker.bootstrap, compression_type=compression, linger_ms=20)
    )
    await send_all(producer, "t", range(200))

    consumer = await stack.enter_async_context(consumer_of(broker, "t"))

    assert sorted(await take(consumer, 200)) == list(range(200))


async def test_a_group_goes_on_after_its_commit_even_over_a_restart(
    start_broker: StartBroker, stack: AsyncExitStack
) -> None:
    broker = await start_broker()
    async with AsyncExitStack() as first:
        await send_all(await producing(broker, first), "t", range(50))
        consumer = await first.enter_async_context(consumer_of(broker, "t"))
        assert len(await take(consumer, 50)) == 50
        await consumer.commit()
    await broker.stop()

    again = await start_broker()
    await send_all(await producing(again, stack), "t", range(50, 60))
    consumer = await stack.enter_async_context(consumer_of(again, "t"))

    assert sorted(await take(consumer, 10)) == list(range(50, 60))


async def test_clients_go_on_when_the_broker_restarts_below_them(start_broker: StartBroker) -> None:
    broker = await start_broker()
    async with AsyncExitStack() as clients:
        producer = await producing(broker, clients)
        consumer = await clients.enter_async_context(consumer_of(broker, "t"))
        await send_all(producer, "t", range(20))
        assert len(await take(consumer, 20)) == 20
        await consumer.commit()

        await broker.stop()
        await start_broker(port=broker.port)

        await send_all(producer, "t", range(20, 40))
        assert set(await take(consumer, 20, seconds=30)) >= set(range(20, 40))


async def test_three_members_share_the_partitions_and_two_take_over(
    start_broker: StartBroker, stack: AsyncExitStack
) -> None:
    broker = await start_broker(partitions=8)
    await send_all(await producing(broker, stack), "t", range(100))
    leaver = consumer_of(broker, "t")
    staying = [await stack.enter_async_context(consumer_of(broker, "t")) for _ in range(2)]
    await leaver.start()
    members = [*staying, leaver]

    await polled_until(members, lambda: shares(members) == [2, 3, 3])
    await leaver.stop()
    await polled_until(staying, lambda: shares(staying) == [4, 4])

    assert not staying[0].assignment() & staying[1].assignment()


async def test_a_member_that_dies_silently_is_evicted_after_its_session(
    start_broker: StartBroker, stack: AsyncExitStack
) -> None:
    broker = await start_broker(partitions=4)
    await send_all(await producing(broker, stack), "t", range(10))
    dying = consumer_of(broker, "t", session_timeout_ms=1000)
    staying = await stack.enter_async_context(consumer_of(broker, "t", session_timeout_ms=1000))
    await dying.start()
    await polled_until([dying, staying], lambda: shares([dying, staying]) == [2, 2])

    coordinator_of(dying)._heartbeat_task.cancel()
    await polled_until([staying], lambda: len(staying.assignment()) == 4)

    assert {partition.partition for partition in staying.assignment()} == {0, 1, 2, 3}
    await asyncio.wait_for(dying.stop(), 10)


async def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(
    start_broker: StartBroker, stack: AsyncExitStack
) -> None:
    broker = await start_broker(partitions=4)
    await send_all(await producing(broker, stack), "t", range(10))
    staying = await stack.enter_async_context(consumer_of(broker, "t", group_instance_id="a-1"))
    first = consumer_of(broker, "t", group_instance_id="a-2")
    await first.start()
    await polled_until([staying, first], lambda: shares([staying, first]) == [2, 2])
    partitions = first.assignment()
    generation = coordinator_of(staying).generation
    coordinator_of(first)._maybe_leave_group = _stays_silent
    await first.stop()

    back = await stack.enter_async_context(consumer_of(broker, "t", group_instance_id="a-2"))
    await polled_until([staying, back], lambda: bool(back.assignment()))

    assert back.assignment() == partitions
    assert coordinator_of(staying).generation == generation


async def _stays_silent() -> None:
    """Leave nothing behind, as a static member does that means to come back."""


async def test_a_member_of_an_older_generation_cannot_commit(
    start_broker: StartBroker, stack: AsyncExitStack
) -> None:
    broker = await start_broker(partitions=2)
    await send_all(await producing(broker, stack), "t", range(10))
    slow = await stack.enter_async_context(
        consumer_of(broker, "t", session_timeout_ms=1000, heartbeat_interval_ms=900)
    )
    await take(slow, 10)
    coordinator_of(slow)._heartbeat_task.cancel()
    await asyncio.sleep(1.3)

    with pytest.raises((CommitFailedError, IllegalStateError)):
        await slow.commit(dict.fromkeys(slow.assignment(), 1))


async def test_seeking_by_offset_and_by_time(broker: Broker, stack: AsyncExitStack) -> None:
    producer = await producing(broker, stack)
    for number in range(10):
        await producer.send_and_wait("t", str(number).encode(), partition=0, timestamp_ms=1000 * number)
    partition = TopicPartition("t", 0)
    consumer = await stack.enter_async_context(consumer_of(broker, group_id=None))
    consumer.assign([partition])

    consumer.seek(partition, 7)
    assert await take(consumer, 3) == [7, 8, 9]

    found = await consumer.offsets_for_times({partition: 4500})
    assert found[partition].offset == 5
    assert (await consumer.beginning_offsets([partition]))[partition] == 0
    assert (await consumer.end_offsets([partition]))[partition] == 10


async def test_a_late_record_arrives_within_a_fetch_not_a_poll(broker: Broker, stack: AsyncExitStack) -> None:
    producer = await producing(broker, stack)
    await producer.send_and_wait("t", b"0", partition=0)
    consumer = await stack.enter_async_context(consumer_of(broker, "t", fetch_max_wait_ms=20_000))
    await take(consumer, 1)
    waiting = asyncio.create_task(take(consumer, 1))
    await asyncio.sleep(0.2)

    before = asyncio.get_running_loop().time()
    await producer.send_and_wait("t", b"1", partition=0)
    await waiting

    assert asyncio.get_running_loop().time() - before < 1


async def test_administrators_make_describe_and_delete(broker: Broker, stack: AsyncExitStack) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    stack.push_async_callback(admin.close)

    await admin.create_topics([NewTopic("made", 5, 1)])
    (described,) = await admin.describe_topics(["made"])
    await admin.delete_topics(["made"])

    assert len(described["partitions"]) == 5
    assert "made" not in await admin.list_topics()
