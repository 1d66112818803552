"""The embedded broker beside Apache Kafka: events per second in and out, latency under three groups, memory, start.

Both brokers get the same records of 600 bytes from the same clients in turns: an idempotent producer that waits for all
replicas, a group that reads them all, then 1,000 events per second with three groups reading along.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from functools import partial
from time import perf_counter
from typing import Any, Final

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition

from bench.accounting import cpu_seconds, pss_mib
from bench.children import Child, python
from bench.figures import Figure
from bench.installations import Stack
from bench.run import Bench, Sample, ratio, told, triple
from bench.servers import kafka_pid
from tests.support.kafka import create_topic

_EVENTS: Final = 30_000
_RECORD: Final = b"x" * 600
_RATE: Final = 1000
_GROUPS: Final = 3
_SECONDS: Final = 6.0
_STEP_SECONDS: Final = 0.005
_KEYS: Final = 1000
_QUIET_SECONDS: Final = 30
_PATIENCE_SECONDS: Final = 120
_CLIENT_SECONDS: Final = 30
"""For a client to start or stop, and for all leaders of a new topic to answer."""


def measure(bench: Bench) -> list[Figure]:
    """Return the figures of the embedded broker, with Kafka's beside them where it runs."""
    turns: dict[str, Any] = {"embedded": partial(_turn, bench, partial(_embedded, bench))}
    if Stack.LARGE in bench.stacks:
        turns["kafka"] = partial(_turn, bench, partial(_kafka, bench))
    found = bench.take_turns(turns)
    ours, kafka = found["embedded"], found.get("kafka")
    return [
        Figure(
            number="broker",
            what=what,
            stack="embedded",
            value=triple(ours, name),
            unit=unit,
            reference="Apache Kafka" + (f"; ratio {ratio(ours, kafka, name)}" if kafka else "")
            if kafka
            else "",
            reference_value=triple(kafka, name) if kafka else None,
            details={"ours": told(ours), "kafka": told(kafka)} if kafka else told(ours),
        )
        for name, unit, what in (
            (
                "produced_per_second",
                "/s",
                f"events/s produced, idempotent, acknowledged by all, {bench.count(_EVENTS)} events",
            ),
            ("read_per_second", "/s", f"events/s read by a group, {bench.count(_EVENTS)} events"),
            ("broker_us", " µs", "broker's CPU per event, produced once and read once"),
            ("p50_ms", " ms", f"end to end at {_RATE} events/s × {_GROUPS} groups, p50"),
            ("p99_ms", " ms", f"end to end at {_RATE} events/s × {_GROUPS} groups, p99"),
            ("rest_mib", " MiB", "memory at rest"),
            ("worked_mib", " MiB", "memory after the load"),
            ("started_seconds", " s", "from its start until clients can connect"),
        )
    ]


class _Running:
    """A broker under test."""

    def __init__(self, bootstrap: str, pid: int, started_seconds: float) -> None:
        self.bootstrap = bootstrap
        self.pid = pid
        self.started_seconds = started_seconds


@contextmanager
def _embedded(bench: Bench) -> Iterator[_Running]:
    folder = bench.folder / f"broker-{secrets.token_hex(4)}"
    folder.mkdir()
    environment = {"HUIYIN_DATA_DIR": str(folder / "data"), "HUIYIN_LOG_LEVEL": "warning"}
    command = python("huiyin_chassis", "broker", "--port", "0")
    with Child(command, folder=folder, environment=environment, ready="ready ") as child:
        yield _Running(child.told, child.pid, child.started_seconds)


@contextmanager
def _kafka(bench: Bench) -> Iterator[_Running]:
    with bench.servers.kafka() as server:
        server.stop()
        began = perf_counter()
        server.start()
        yield _Running(server.bootstrap, kafka_pid(server), perf_counter() - began)


def _turn(bench: Bench, broker: Callable[[], AbstractContextManager[_Running]]) -> Sample:
    with broker() as running:
        time.sleep(bench.seconds(1.0))
        rest = pss_mib([running.pid])
        cpu = cpu_seconds([running.pid])
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            work = _produce_and_read(running.bootstrap, bench.count(_EVENTS))
            moved = runner.run(asyncio.wait_for(work, _PATIENCE_SECONDS))
            used = cpu_seconds([running.pid]) - cpu
            follow = _follow(running.bootstrap, bench.seconds(_SECONDS))
            delays = runner.run(asyncio.wait_for(follow, _PATIENCE_SECONDS))
        return {
            **moved,
            **delays,
            "broker_us": 1e6 * used / bench.count(_EVENTS),
            "rest_mib": rest,
            "worked_mib": pss_mib([running.pid]),
            "started_seconds": running.started_seconds,
        }


async def _produce_and_read(bootstrap: str, count: int) -> dict[str, float]:
    await _create_topic(bootstrap, "volume")
    async with _producer(bootstrap) as producer:
        await _warm_up(producer, "volume")
        began = perf_counter()
        sent = [await producer.send("volume", _RECORD, key=_key(number)) for number in range(count)]
        await asyncio.gather(*sent)
        produced = count / (perf_counter() - began)
    return {"produced_per_second": produced, "read_per_second": await _read_all(bootstrap, count)}


class _Held(ConsumerRebalanceListener):
    """Keeps a consumer from fetching until it is told to: it would begin as soon as it has joined its group."""

    def __init__(self) -> None:
        self.consumer: AIOKafkaConsumer | None = None
        self.has_joined = asyncio.Event()

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing is kept."""

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Pause what has come, before anything of it is fetched."""
        assert self.consumer is not None
        self.consumer.pause(*assigned)
        self.has_joined.set()


async def _read_all(bootstrap: str, count: int) -> float:
    """Return the events per second of a group's only member, from before its first fetch to the last event."""
    held = _Held()
    async with _consumer(bootstrap, "volume", group="reader", listener=held) as consumer:
        await held.has_joined.wait()
        began, seen = perf_counter(), 0
        consumer.resume(*consumer.assignment())
        while seen < count:
            records = await consumer.getmany(timeout_ms=500, max_records=500)
            seen += sum(len(each) for each in records.values())
        return seen / (perf_counter() - began)


async def _follow(bootstrap: str, seconds: float) -> dict[str, float]:
    """Send at an even rate with groups reading along; return how long an event took to each of them."""
    await _create_topic(bootstrap, "steady")
    async with _producer(bootstrap) as producer:
        await _warm_up(producer, "steady")
    count = int(seconds * _RATE)
    sent_at: list[float] = []
    delays: list[float] = []
    ready = asyncio.Barrier(_GROUPS + 1)

    async def read(group: int) -> None:
        async with _consumer(bootstrap, "steady", group=f"steady-{group}") as consumer:
            while not consumer.assignment():
                await consumer.getmany(timeout_ms=50)
            await ready.wait()
            seen = 0
            while seen < count:
                records = await consumer.getmany(timeout_ms=500)
                now = perf_counter()
                numbers = [
                    int((record.value or b"")[:8])
                    for partition in records.values()
                    for record in partition
                    if record.value != _RECORD
                ]
                delays.extend(now - sent_at[number] for number in numbers)
                seen += len(numbers)

    async with asyncio.timeout(seconds + _QUIET_SECONDS), asyncio.TaskGroup() as tasks:
        for group in range(_GROUPS):
            tasks.create_task(read(group))
        await ready.wait()
        async with _producer(bootstrap) as producer:
            began, acknowledged = perf_counter(), []
            while len(sent_at) < count:
                while len(sent_at) < min(count, (perf_counter() - began) * _RATE):
                    number = len(sent_at)
                    sent_at.append(perf_counter())
                    value = b"%08d%s" % (number, _RECORD[8:])
                    acknowledged.append(await producer.send("steady", value, key=_key(number)))
                await asyncio.sleep(_STEP_SECONDS)
            await asyncio.gather(*acknowledged)
    delays.sort()
    return {"p50_ms": 1000 * delays[len(delays) // 2], "p99_ms": 1000 * delays[int(0.99 * len(delays))]}


async def _create_topic(bootstrap: str, topic: str) -> None:
    """Create a topic and return when the leader of every partition answers as its leader.

    The metadata name leaders for seconds before those know of it themselves.
    """
    await create_topic(bootstrap, topic)
    client = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    async with _bounded(client):
        partitions = await client._client.fetch_all_metadata()  # noqa: SLF001 - of a topic it does not read
        places = [TopicPartition(topic, number) for number in partitions.partitions_for_topic(topic) or ()]
        await asyncio.wait_for(client.end_offsets(places), _CLIENT_SECONDS)


async def _warm_up(producer: AIOKafkaProducer, topic: str) -> None:
    """Send one record to every partition, so that nothing is done for the first time while the clock runs."""
    for partition in await producer.partitions_for(topic):
        await asyncio.wait_for(producer.send_and_wait(topic, _RECORD, partition=partition), _CLIENT_SECONDS)


def _key(number: int) -> bytes:
    return b"case-%d" % (number * 7919 % _KEYS)


@asynccontextmanager
async def _bounded(client: AIOKafkaProducer | AIOKafkaConsumer) -> AsyncIterator[None]:
    """Start a client and stop it within bounds: one whose broker is silent would flush for ever."""
    await asyncio.wait_for(client.start(), _CLIENT_SECONDS)  # type: ignore[no-untyped-call]  # the consumer's
    try:
        yield
    finally:
        with suppress(TimeoutError):
            await asyncio.wait_for(client.stop(), _CLIENT_SECONDS)  # type: ignore[no-untyped-call]  # the consumer's


@asynccontextmanager
async def _producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, linger_ms=5)
    async with _bounded(producer):
        yield producer


@asynccontextmanager
async def _consumer(
    bootstrap: str, topic: str, *, group: str, listener: _Held | None = None
) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    if listener is not None:
        listener.consumer = consumer
    consumer.subscribe([topic], listener=listener)
    async with _bounded(consumer):
        yield consumer
