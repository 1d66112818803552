import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]  # no __all__
from confluent_kafka.cimpl import NewTopic

from huiyin_broker import Broker
from tests.broker.conftest import StartBroker


@pytest.fixture
async def closing() -> AsyncIterator[ExitStack]:
    """Close clients in a thread, because they talk to a broker in this event loop while they do."""
    stack = ExitStack()
    yield stack
    await asyncio.to_thread(stack.close)


def produce_all(bootstrap: str, topic: str, count: int, **options: object) -> list[KafkaError]:
    """Produce `count` numbered records; return what went wrong."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, **options}
    )
    failures: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    for number in range(count):
        producer.produce(topic, str(number), key=str(number), on_delivery=on_delivery)
        producer.poll(0)
    assert producer.flush(20) == 0
    return failures


def consumer_of(bootstrap: str, **options: object) -> Consumer:
    given = {
        "bootstrap.servers": bootstrap,
        "group.id": "g",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 200,
        "partition.assignment.strategy": "cooperative-sticky",
    }
    return Consumer(given | options)


def read_until(consumers: list[Consumer], count: int, *, seconds: float = 20) -> list[int]:
    deadline = time.monotonic() + seconds
    numbers: list[int] = []
    while len(numbers) < count and time.monotonic() < deadline:
        for consumer in consumers:
            for message in consumer.consume(500, timeout=0.05):
                assert message.error() is None, message.error()
                numbers.append(int(message.value() or b""))
    return numbers


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_an_idempotent_producer_is_read_back_whole(
    broker: Broker, closing: ExitStack, codec: str
) -> None:
    failures = await asyncio.to_thread(
        produce_all, broker.bootstrap, "t", 1000, **{"compression.type": codec}
    )

    consumer = consumer_of(broker.bootstrap)
    closing.callback(consumer.close)
    consumer.subscribe(["t"])
    numbers = await asyncio.to_thread(read_until, [consumer], 1000)

    assert failures == []
    assert sorted(numbers) == list(range(1000))


async def test_cooperative_members_share_and_take_over(start_broker: StartBroker, closing: ExitStack) -> None:
    broker = await start_broker(partitions=8)
    await asyncio.to_thread(produce_all, broker.bootstrap, "t", 500)
    first, second = consumer_of(broker.bootstrap), consumer_of(broker.bootstrap)
    closing.callback(first.close)

    def share() -> tuple[list[int], list[int]]:
        first.subscribe(["t"])
        second.subscribe(["t"])
        numbers = read_until([first, second], 500)
        poll_until([first, second], [4, 4])
        return numbers, [len(first.assignment()), len(second.assignment())]

    def leave() -> int:
        second.close()
        poll_until([first], [8])
        return len(first.assignment())

    numbers, shares = await asyncio.to_thread(share)

    assert sorted(set(numbers)) == list(range(500))
    assert shares == [4, 4]
    assert await asyncio.to_thread(leave) == 8


def poll_until(consumers: list[Consumer], shares: list[int]) -> None:
    deadline = time.monotonic() + 15
    while [len(consumer.assignment()) for consumer in consumers] != shares and time.monotonic() < deadline:
        for consumer in consumers:
            consumer.poll(0.05)


async def test_a_committed_offset_is_where_the_next_member_starts(broker: Broker, closing: ExitStack) -> None:
    await asyncio.to_thread(produce_all, broker.bootstrap, "t", 100)

    def read_and_commit() -> None:
        consumer = consumer_of(broker.bootstrap)
        consumer.subscribe(["t"])
        assert len(read_until([consumer], 100)) == 100
        consumer.commit(asynchronous=False)
        consumer.close()

    await asyncio.to_thread(read_and_commit)
    next_member = consumer_of(broker.bootstrap)
    closing.callback(next_member.close)
    next_member.subscribe(["t"])

    assert await asyncio.to_thread(read_until, [next_member], 1, seconds=1.5) == []


async def test_a_second_member_of_the_same_static_id_fences_the_first(
    broker: Broker, closing: ExitStack
) -> None:
    await asyncio.to_thread(produce_all, broker.bootstrap, "t", 10)
    first = consumer_of(broker.bootstrap, **{"group.instance.id": "a-1"})
    second = consumer_of(broker.bootstrap, **{"group.instance.id": "a-1"})
    closing.callback(second.close)

    def fence() -> KafkaError | None:
        first.subscribe(["t"])
        read_until([first], 10)
        second.subscribe(["t"])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            second.poll(0.05)
            try:
                message = first.poll(0.05)
            except KafkaException as fenced:
                error: KafkaError = fenced.args[0]
                return error
            if message is not None and message.error() is not None:
                return message.error()
        return None

    error = await asyncio.to_thread(fence)

    assert error is not None
    assert error.code() in {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID}


async def test_administrators_see_topics_groups_and_offsets(broker: Broker) -> None:
    def administrate() -> tuple[str, str, int, list[str]]:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        topic = NewTopic("made", 2, 1, config={"retention.ms": "86400000"})
        admin.create_topics([topic])["made"].result(timeout=10)
        resource = ConfigResource(ConfigResource.Type.TOPIC, "made")
        described = admin.describe_configs([resource])
        retention = next(iter(described.values())).result(timeout=10)["retention.ms"].value
        consumer = consumer_of(broker.bootstrap)
        consumer.commit(offsets=[TopicPartition("made", 0, 5)], asynchronous=False)
        consumer.close()
        groups = [group.group_id for group in admin.list_consumer_groups().result(timeout=10).valid]
        states = admin.describe_consumer_groups(["g"])
        state = states["g"].result(timeout=10).state.name
        deleted = admin.delete_topics(["made"])
        deleted["made"].result(timeout=10)
        return retention, state, len(admin.list_topics(timeout=10).topics), groups

    retention, state, topics_left, groups = await asyncio.to_thread(administrate)

    assert retention == "86400000"
    assert (state, groups) == ("EMPTY", ["g"])
    assert topics_left == 0


async def test_a_transactional_producer_is_told_clearly(broker: Broker) -> None:
    def begin() -> str:
        producer = Producer({"bootstrap.servers": broker.bootstrap, "transactional.id": "tx"})
        with pytest.raises(KafkaException) as refused:
            producer.init_transactions(30)
        error: KafkaError = refused.value.args[0]
        return error.name()

    assert await asyncio.to_thread(begin) == "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"
