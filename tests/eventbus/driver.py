"""Drives the bus in tests: publishes probes, runs relays and consumers, and reads what they left behind."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from sqlalchemy import Column, Integer, MetaData, Row, Select, Table, Text, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.db import Database
from huiyin_contracts.event import Event
from huiyin_eventbus.consumer import Consumer, ConsumerSettings
from huiyin_eventbus.database import Database as BusDatabase
from huiyin_eventbus.kafka import KafkaSettings, make_producer
from huiyin_eventbus.outbox import Outgoing, append
from huiyin_eventbus.parking import Backoff
from huiyin_eventbus.relay import Relay, RelaySettings
from huiyin_eventbus.subscriptions import Handler, Received, Subscriptions
from huiyin_eventbus.tables import add_tables, dead_letter, outbox, retry

METADATA = MetaData()
add_tables(METADATA)
effect = Table(
    "effect",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
)
QUICK = Backoff(base=timedelta(milliseconds=50), cap=timedelta(milliseconds=200), attempts=4)


class Probe(Event):
    """An event of a test's own: a number, and what the handler is to do with it."""

    PUBLISHER: ClassVar[str] = "tests"
    KEY: ClassVar[str] = "case_id"

    case_id: str
    number: int
    wish: str = ""


def probe_event(event_type: str) -> type[Probe]:
    """Return a probe under a type, and so a topic, of its own."""
    return type("TypedProbe", (Probe,), {"TYPE": event_type, "__module__": __name__})


async def store_effects(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
    """Handle probes: one row each."""
    rows = [
        {"event_id": each.id, "key": each.key, "number": each.event.number, "sequence": each.sequence}
        for each in received
    ]
    await tx.execute(insert(effect), rows)


class BusDriver:
    """A bus with one kind of event, one database and one group, all the test's own."""

    def __init__(
        self, kafka: KafkaSettings, database: Database, *, event: type[Probe], group: str | None = None
    ) -> None:
        self.kafka = kafka
        self.database = database
        self.event = event
        self.group = group or f"group-{uuid.uuid4().hex[:12]}"
        self._running: list[Relay | Consumer] = []

    @property
    def topic(self) -> str:
        return self.event.TYPE

    async def close(self) -> None:
        """Stop what still runs."""
        for each in reversed(self._running):
            await each.stop()

    def probe(self, number: int, *, key: str = "case", wish: str = "") -> Probe:
        """Return an event."""
        return self.event(case_id=key, number=number, wish=wish)

    async def append(self, *events: Event | Outgoing) -> None:
        """Append events in a transaction of their own."""
        async with self.database.writing() as tx:
            await append(tx, *events)

    async def append_and_fail(self, *events: Event | Outgoing) -> None:
        """Append events in a transaction that is rolled back; raises ZeroDivisionError."""
        async with self.database.writing() as tx:
            await append(tx, *events)
            _ = 1 / 0

    async def send(self, *records: tuple[bytes | None, dict[str, str]]) -> None:
        """Send records, as (value, headers), that no outbox of ours would have."""
        producer = make_producer(self.kafka, name="stranger")
        await producer.start()
        for value, headers in records:
            listed = [(name, text.encode()) for name, text in headers.items()]
            await producer.send_and_wait(self.topic, value, key=b"case", headers=listed)
        await producer.stop()

    async def relay(
        self, *, settings: RelaySettings | None = None, database: BusDatabase | None = None
    ) -> Relay:
        """Start a relay."""
        relay = Relay(database or self.database, self.kafka, service="tests", settings=settings)
        await relay.start()
        self._running.append(relay)
        return relay

    async def publish(self, *events: Event | Outgoing) -> None:
        """Append events and return when the broker has them."""
        await self.append(*events)
        relay = await self.relay()
        await self.until_published()
        await relay.stop()

    async def consumer(
        self, handler: Handler[Any] = store_effects, *, settings: ConsumerSettings | None = None, **more: Any
    ) -> Consumer:
        """Start a consumer of the probes."""
        subscriptions = Subscriptions()
        subscriptions.on(self.event)(handler)
        consumer = Consumer(
            more.pop("database", self.database),
            more.pop("kafka", self.kafka),
            service=self.group,
            subscriptions=subscriptions,
            settings=settings or quick_settings(),
            **more,
        )
        await consumer.start()
        self._running.append(consumer)
        return consumer

    async def until_published(self) -> None:
        """Return when the outbox is empty."""
        await until(self.outbox_is_empty)

    async def outbox_is_empty(self) -> bool:
        return await self.count(select(func.count()).select_from(outbox)) == 0

    async def until_effects(self, count: int) -> list[Row[Any]]:
        """Return all effects once there are at least `count`."""
        statement = select(func.count()).select_from(effect)

        async def enough() -> bool:
            return await self.count(statement) >= count

        await until(enough)
        return await self.effects()

    async def effects(self) -> list[Row[Any]]:
        """Return all effects in the order they were stored."""
        return await self.rows(select(effect).order_by(effect.c.id))

    async def numbers(self) -> list[int]:
        """Return the numbers of all effects in the order they were stored."""
        return [row.number for row in await self.effects()]

    async def dead(self) -> list[Row[Any]]:
        """Return the dead letters."""
        return await self.rows(select(dead_letter).order_by(dead_letter.c.id))

    async def parked(self) -> list[Row[Any]]:
        """Return the parked events."""
        return await self.rows(select(retry).order_by(retry.c.seq))

    async def rows(self, statement: Select[Any]) -> list[Row[Any]]:
        async with self.database.reading() as tx:
            return list((await tx.execute(statement)).all())

    async def count(self, statement: Select[Any]) -> int:
        async with self.database.reading() as tx:
            return await tx.scalar(statement) or 0

    async def log(self, topic: str | None = None) -> list[ConsumerRecord[bytes, bytes]]:
        """Return every record of a topic, partition by partition."""
        return await read_log(self.kafka, topic or self.topic)


def quick_settings(**changes: Any) -> ConsumerSettings:
    """Return settings with which a test need not wait; without static membership, since groups are short-lived."""
    return ConsumerSettings(
        **{"instance": None, "backoff": QUICK, "retry_poll": timedelta(milliseconds=50), **changes}
    )


async def read_log(kafka: KafkaSettings, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
    """Return every record of a topic, partition by partition."""
    found: list[ConsumerRecord[bytes, bytes]] = []
    async with AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest") as consumer:
        await consumer._client.force_metadata_update()
        partitions = [TopicPartition(topic, number) for number in range(kafka.partitions)]
        consumer.assign(partitions)
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        while len(found) < sum(ends.values()) - sum(begins.values()):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def until(is_true: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
    """Return when the condition holds; fails the test when it does not in time."""
    async with asyncio.timeout(seconds):
        while not await is_true():
            await asyncio.sleep(0.02)
