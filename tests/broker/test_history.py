"""What clients recorded while a broker was killed, filled or healed agrees with the log, on both brokers."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from huiyin_broker import Broker, BrokerSettings
from tests.broker.broker_process import BrokerProcess
from tests.support.kafka import Kafka, create_topic
from tests.support.log_history import History, Place, Value, load_history
from tests.support.servers import PROJECT, ServerUnavailable, free_ports, skip_or_fail

PARTITIONS = 4
PRODUCERS = 20
MEMBERS = ("one", "two")
PAUSE_SECONDS = 1.5
QUIET_SECONDS = 60
NEARLY_FULL_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Victim:
    """A broker that can be killed and started again on its log."""

    bootstrap: str
    kill: Callable[[], Awaitable[None]]
    start: Callable[[], Awaitable[None]]


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Victim]:
    (port,) = free_ports(1)
    process = BrokerProcess(folder, port)
    await process.start()
    yield Victim(process.bootstrap, kill=lambda: asyncio.to_thread(process.kill), start=process.start)
    process.kill()


@asynccontextmanager
async def apache_kafka(_folder: Path) -> AsyncIterator[Victim]:
    try:
        kafka = Kafka()
        await asyncio.to_thread(kafka.start)
    except ServerUnavailable as missing:
        skip_or_fail(missing)
    try:
        yield Victim(
            kafka.bootstrap,
            kill=lambda: asyncio.to_thread(kafka.kill),
            start=lambda: asyncio.to_thread(kafka.start),
        )
    finally:
        await asyncio.to_thread(kafka.__exit__, None, None, None)


class Clients:
    """Client processes of one topic, which write their histories into a folder."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.folder = folder
        self.group = f"group-{uuid.uuid4().hex[:8]}"
        self.topic = f"history-{uuid.uuid4().hex[:8]}"
        self._bootstrap = bootstrap
        self._producing: list[subprocess.Popen[bytes]] = []
        self._consuming: list[subprocess.Popen[bytes]] = []
        folder.mkdir()

    def start(self) -> None:
        """Start the producers in one process, each member of the group in one of its own."""
        self._producing = [self._run("produce", str(PRODUCERS))]
        self._consuming = [self._run("consume", self.group, member) for member in MEMBERS]

    async def finish(self) -> History:
        """Stop the producers, let the consumers come to the end of the log, and return all that was recorded."""
        await self._end(self._producing)
        log = await read_log(self._bootstrap, self.topic)
        await self._caught_up(len(log))
        await self._end(self._consuming)
        return load_history(self.folder, log=log)

    async def _caught_up(self, records: int) -> None:
        """Return when the group has taken that many records; raises TimeoutError when it has come to a standstill."""
        taken = -1
        while taken < records:
            async with asyncio.timeout(QUIET_SECONDS):
                while (now := len(self.effects())) == taken:
                    await asyncio.sleep(0.2)
            taken = now

    def effects(self) -> list[Value]:
        """Return what the group has taken effect for, in its order."""
        try:
            with sqlite3.connect(f"file:{self.folder / self.group}.db?mode=ro", uri=True) as connection:
                rows = connection.execute("SELECT value FROM effect ORDER BY number").fetchall()
        except sqlite3.OperationalError:
            return []
        connection.close()
        return [Value.of(value.encode()) for (value,) in rows]

    def kill(self) -> None:
        """End what still runs."""
        for client in self._producing + self._consuming:
            client.kill()
            client.wait()

    def _run(self, role: str, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.support.log_clients", role, self._bootstrap, self.topic]
        with (self.folder / f"{role}.err").open("ab") as errors:
            return subprocess.Popen(
                [*command, str(self.folder), *more], cwd=PROJECT, env=os.environ, stderr=errors
            )

    async def _end(self, clients: list[subprocess.Popen[bytes]]) -> None:
        for client in clients:
            client.send_signal(signal.SIGTERM)
        for client in clients:
            await asyncio.to_thread(client.wait, QUIET_SECONDS)


async def read_log(bootstrap: str, topic: str) -> dict[Place, Value]:
    """Return the whole topic, read from its beginning by nobody's group."""
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    found: dict[Place, Value] = {}
    async with (
        asyncio.timeout(QUIET_SECONDS),
        AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer,
    ):
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while len(found) < sum(ends.values()):
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                found |= {Place(place.partition, record.offset): Value.of(record.value) for record in records}
    return found


async def killed_under_load(victim: Victim, clients: Clients, *, kills: int) -> History:
    """Kill and start the broker again and again while the clients work; return what they recorded."""
    await create_topic(victim.bootstrap, clients.topic, partitions=PARTITIONS)
    clients.start()
    try:
        for _ in range(kills):
            await asyncio.sleep(PAUSE_SECONDS)
            await victim.kill()
            await victim.start()
        await asyncio.sleep(PAUSE_SECONDS)
        return await clients.finish()
    finally:
        clients.kill()


def assert_kept(history: History, effects: list[Value]) -> None:
    """Fail unless the log kept its word and every record took effect once; say what there was."""
    print(  # noqa: T201  # the figures of long runs
        f"{len(history.sent)} acknowledged, {len(history.log)} in the log, {history.redelivered()} redelivered,"
        f" {len(history.commits)} commits, {len(history.sessions)} sessions"
    )
    assert history.violations() == []
    assert len(history.sent) > PRODUCERS * 10
    assert sorted(effects) == sorted(history.log.values())


Brand = Callable[[Path], AbstractAsyncContextManager[Victim]]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("brand", "kills"),
    [
        pytest.param(embedded, 5, id="embedded"),
        pytest.param(apache_kafka, 2, id="kafka", marks=pytest.mark.kafka),
        pytest.param(embedded, 50, id="embedded-long", marks=pytest.mark.soak),
        pytest.param(apache_kafka, 20, id="kafka-long", marks=[pytest.mark.soak, pytest.mark.kafka]),
    ],
)
async def test_kills_under_load_leave_a_history_without_violations(
    brand: Brand, kills: int, tmp_path: Path
) -> None:
    async with brand(tmp_path / "broker") as victim:
        clients = Clients(victim.bootstrap, tmp_path / "clients")

        history = await killed_under_load(victim, clients, kills=kills)

        assert_kept(history, clients.effects())


async def test_a_disk_that_fills_and_is_freed_leaves_a_history_without_violations(
    small_disk: Path, tmp_path: Path
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 4_500_000)
    broker = Broker(BrokerSettings(path=small_disk / "broker.db", port=0, min_free_bytes=0))
    await broker.start()
    clients = Clients(broker.bootstrap, tmp_path / "clients")
    await create_topic(broker.bootstrap, clients.topic, partitions=PARTITIONS)

    clients.start()
    try:
        at_refusal = await until_refused(clients, disk=small_disk)
        await asyncio.sleep(1)
        while_full = acknowledged(clients)
        ballast.unlink()
        await asyncio.sleep(1)
        history = await clients.finish()
    finally:
        clients.kill()
        await broker.stop()

    assert_kept(history, clients.effects())
    assert 0 < at_refusal == while_full < len(history.sent)


async def until_refused(clients: Clients, *, disk: Path) -> int:
    """Return how much is acknowledged once the disk is full and nothing more has been for two seconds."""
    before = -1
    async with asyncio.timeout(QUIET_SECONDS):
        while (found := acknowledged(clients)) != before or shutil.disk_usage(disk).free > NEARLY_FULL_BYTES:
            before = found
            await asyncio.sleep(2)
    return found


def acknowledged(clients: Clients) -> int:
    return sum(path.read_bytes().count(b"\n") for path in clients.folder.glob("*.sent"))
