"""A broker that dies at the worst moments: what it acknowledged is there, and nothing else. Under load: `test_history`."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from tests.broker.broker_process import PARTITIONS, BrokerProcess
from tests.support.servers import free_ports


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[BrokerProcess]:
    (port,) = free_ports(1)
    broker = BrokerProcess(tmp_path, port)
    await broker.start()
    yield broker
    broker.kill()


class Sender:
    """Sends numbered records one after the other with an idempotent producer and keeps what was acknowledged."""

    def __init__(self, bootstrap: str, name: str) -> None:
        self._bootstrap = bootstrap
        self.name = name
        self.acknowledged: list[int] = []
        self.is_stopping = False

    async def run(self) -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, enable_idempotence=True, retry_backoff_ms=20
        ) as producer:
            number = 0
            while not self.is_stopping:
                try:
                    await producer.send_and_wait(
                        "t", f"{self.name}:{number}".encode(), key=self.name.encode()
                    )
                except KafkaError:
                    continue
                self.acknowledged.append(number)
                number += 1


async def read_all(bootstrap: str) -> list[str]:
    """Return all records of the topic, in order within each partition."""
    partitions = [TopicPartition("t", number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        values: list[str] = []
        while len(values) < sum(ends.values()):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                values += [record.value.decode() for record in batch]
        return values


async def read_for_ever(bootstrap: str) -> None:
    """Fetch from the topic until cancelled."""
    async with AIOKafkaConsumer("t", bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        async for _ in consumer:
            pass


async def test_a_torn_end_of_the_write_ahead_log_costs_nothing_acknowledged(
    process: BrokerProcess, tmp_path: Path
) -> None:
    sender = Sender(process.bootstrap, "p")
    running = asyncio.create_task(sender.run())
    async with asyncio.timeout(30):
        while len(sender.acknowledged) < 50:
            await asyncio.sleep(0.05)
    sender.is_stopping = True
    await asyncio.wait_for(running, 10)
    process.kill()
    with (tmp_path / "broker.db-wal").open("ab") as ahead:
        ahead.write(os.urandom(5000))

    await process.start()

    async with asyncio.timeout(30):
        stored = await read_all(process.bootstrap)
    assert len(stored) == len(sender.acknowledged)


@pytest.mark.parametrize(
    "place", ["broker.mid_group", "broker.before_commit", "broker.after_commit", "broker.mid_fetch"]
)
async def test_what_was_not_committed_was_not_acknowledged(tmp_path: Path, place: str) -> None:
    (port,) = free_ports(1)
    process = BrokerProcess(tmp_path, port)
    await process.start(failpoints=f"{place}=kill@20")
    sender = Sender(process.bootstrap, "p")
    running = asyncio.create_task(sender.run())
    reading = asyncio.create_task(read_for_ever(process.bootstrap))

    await asyncio.wait_for(process.until_dead(), 20)
    sender.is_stopping = True
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await process.start()
    await asyncio.wait_for(running, 20)

    async with asyncio.timeout(20):
        stored = await read_all(process.bootstrap)
    process.kill()
    assert stored == [f"p:{number}" for number in sender.acknowledged]
    assert len(stored) > 5


class Assignments(ConsumerRebalanceListener):
    """Counts how often partitions are given out."""

    def __init__(self) -> None:
        self.count = 0

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Do nothing."""

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:  # noqa: ARG002  # their signature
        """Count."""
        self.count += 1


async def test_a_broker_that_was_frozen_for_longer_than_a_session_keeps_its_groups(
    process: BrokerProcess,
) -> None:
    assignments = Assignments()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=process.bootstrap,
        group_id="g",
        auto_offset_reset="earliest",
        session_timeout_ms=2000,
        heartbeat_interval_ms=300,
    )
    async with AIOKafkaProducer(bootstrap_servers=process.bootstrap) as producer, asyncio.timeout(40):
        await producer.send_and_wait("t", b"before")
        consumer.subscribe(["t"], listener=assignments)
        await consumer.start()
        before = await consumer.getone()

        await process.freeze(seconds=5)
        await asyncio.sleep(3)
        await producer.send_and_wait("t", b"after")
        after = await consumer.getone()

        await consumer.stop()
    assert (before.value, after.value) == (b"before", b"after")
    assert assignments.count == 1
