"""The real bus without a network: outbox, relay's outlet, the broker's log and the consumer's transaction, on files.

Every step can be cut short where a process can die. A crash copies the files as they are, with whatever is under way,
and goes on with the copies, as after a power cut.
"""

import itertools
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_broker.batches import parse_batch
from huiyin_broker.catalog import PartitionView
from huiyin_broker.ledger import Transaction
from huiyin_broker.log import Log
from huiyin_broker.operations import Appended, append_batch, create_topic
from huiyin_broker.settings import BrokerSettings
from huiyin_chassis.db import Database
from huiyin_eventbus import headers
from huiyin_eventbus.errors import LostOwnership
from huiyin_eventbus.offsets import Position, own_partitions, read_positions, rewind
from huiyin_eventbus.outbox import append
from huiyin_eventbus.parking import Backoff
from huiyin_eventbus.publishing import OutboxRow, outlet_of
from huiyin_eventbus.subscriptions import Received, Subscriptions
from huiyin_eventbus.tables import dead_letter, outbox
from huiyin_eventbus.taking import Polled, take_batch
from tests.eventbus.driver import METADATA, Probe, effect, probe_event
from tests.eventbus.model import PARTITIONS, Held, Sample, State

Cut = Literal["nowhere", "before", "midway", "after"]
"""Where an operation is cut short: not at all, before anything, with some of it under way, before its commit."""
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
GROUP, TOPIC = "model", "probe.model"
EVENT = probe_event(TOPIC)
Records = dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]


class CutShort(Exception):
    """The process died here."""


class ModelledBus:
    """One service, one group and one topic; opened in a folder and closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lives = itertools.count()
        self._subscriptions = Subscriptions()
        self._subscriptions.on(EVENT)(_store_effects)

    async def open(self) -> None:
        """Make the topic and the tables."""
        self._begin_broker(self._folder / "log-first")
        self._begin_service(self._folder / "service-first")
        await self._log.write(partial(create_topic, name=TOPIC, partitions=PARTITIONS, configs={}, limit=100))
        async with self._database.writing() as tx:
            await tx.run_sync(METADATA.create_all)

    async def close(self) -> None:
        """Close the files."""
        await self._log.close()
        await self._database.close()

    async def append(self, samples: Sequence[Sample], *, fails: bool) -> None:
        """Append events in one transaction; raises CutShort when it fails."""
        async with self._database.writing() as tx:
            await append(tx, *[_probe(each) for each in samples])
            _cut_if(fails)

    async def publish(self, *, cut: Cut, acknowledged: int) -> None:
        """Publish the outbox and delete it; raises CutShort. Cut midway, the broker has answered `acknowledged`."""
        outlet = outlet_of(self._database, idle_milliseconds=0)
        try:
            await outlet.publish_batch(partial(self._produce, cut=cut, acknowledged=acknowledged))
        finally:
            outlet.close()

    async def own(self, partitions: Iterable[int]) -> dict[int, Held]:
        """Give partitions to a member."""
        async with self._database.writing() as tx:
            owned = await own_partitions(tx, GROUP, {TopicPartition(TOPIC, each): 0 for each in partitions})
        return {place.partition: Held(found.next_offset, found.epoch) for place, found in owned.items()}

    async def rewind(self, partition: int, *, to: int) -> None:
        """Set a partition back as an operator would."""
        async with self._database.writing() as tx:
            await rewind(tx, GROUP, {TopicPartition(TOPIC, partition): to})

    async def fetch(self, held: Mapping[int, Held], *, limit: int) -> Records:
        """Return up to `limit` records of each partition from where a member reads on."""
        found = {
            TopicPartition(TOPIC, number): (await self._read(number, each.next_offset))[:limit]
            for number, each in held.items()
        }
        return {place: records for place, records in found.items() if records}

    async def take(self, batch: Records, *, held: Mapping[int, Held], fails: bool) -> bool:
        """Take a batch as its holder; return False when it was not its to take. Raises CutShort when it fails."""
        positions = {
            place: Position(held[place.partition].next_offset, held[place.partition].epoch) for place in batch
        }
        try:
            async with self._database.writing() as tx:
                await take_batch(
                    tx,
                    GROUP,
                    Polled.of(batch, self._subscriptions),
                    positions=positions,
                    subscriptions=self._subscriptions,
                    backoff=Backoff(),
                    now=NOW,
                )
                _cut_if(fails)
        except LostOwnership:
            return False
        return True

    async def crash_broker(self) -> None:
        """Go on with a copy of the log's files as they are now."""
        folder = self._folder / f"log-{next(self._lives)}"
        shutil.copytree(self._log.path.parent, folder)
        await self._log.close()
        self._begin_broker(folder)

    async def crash_service(self) -> None:
        """Go on with a copy of the service's files as they are now."""
        folder = self._folder / f"service-{next(self._lives)}"
        shutil.copytree(self._service, folder)
        await self._database.close()
        self._begin_service(folder)

    async def state(self) -> State:
        """Return what can be seen."""
        async with self._database.reading() as tx:
            waiting = await tx.execute(select(outbox.c.payload).order_by(outbox.c.seq))
            effects = await tx.execute(select(effect.c.number).order_by(effect.c.id))
            dead = await tx.execute(select(dead_letter.c.body))
            positions = await read_positions(tx, GROUP)
        return State(
            outbox=[_number(payload) for payload in waiting.scalars()],
            log={
                number: [_number(each.value) for each in await self._read(number, 0)]
                for number in range(PARTITIONS)
            },
            positions={
                place.partition: Held(each.next_offset, each.epoch) for place, each in positions.items()
            },
            effects=list(effects.scalars()),
            dead={_number(body) for body in dead.scalars()},
        )

    def _begin_broker(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._log = Log(BrokerSettings(path=folder / "broker.db", min_free_bytes=0))

    def _begin_service(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._service = folder
        self._database = Database(f"sqlite:///{folder / 'service.db'}")

    async def _produce(self, rows: Sequence[OutboxRow], *, cut: Cut, acknowledged: int) -> None:
        _cut_if(cut == "before")
        answers = [self._log.submit(_appending(row)) for row in rows]
        if cut == "midway":
            for answer in answers[:acknowledged]:
                await answer
            await self.crash_broker()
        for answer in answers:
            await answer
        _cut_if(cut != "nowhere")

    async def _read(self, number: int, offset: int) -> list[ConsumerRecord[bytes, bytes]]:
        view = self._view(number)
        if offset >= view.high_watermark:
            return []
        batches = await self._log.read(view, offset, max_bytes=10_000_000)
        return [
            record
            for batch in batches
            for record in _records(number, batch.payload)
            if record.offset >= offset
        ]

    def _view(self, number: int) -> PartitionView:
        view = self._log.catalog.partition(TOPIC, number)
        assert view is not None
        return view


async def _store_effects(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
    rows = [
        {"event_id": each.id, "key": each.key, "number": each.event.number, "sequence": each.sequence}
        for each in received
    ]
    await tx.execute(insert(effect), rows)
    if any(each.event.wish == "poison" for each in received):
        raise ValueError("refused")


def _probe(sample: Sample) -> Probe:
    return EVENT(case_id=sample.key, number=sample.number, wish="poison" if sample.is_poison else "")


def _appending(row: OutboxRow) -> Callable[[Transaction], Appended]:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    key = row.key.encode()
    builder.append(0, timestamp=1, key=key, value=row.payload, headers=list(headers.from_text(row.headers)))
    batch = parse_batch(bytes(builder.build()))
    number = Sample(0, row.key).partition
    return partial(append_batch, topic=TOPIC, number=number, batch=batch)


def _records(number: int, payload: bytes) -> list[ConsumerRecord[bytes, bytes]]:
    batch: Any = MemoryRecords(payload).next_batch()
    return [
        ConsumerRecord(
            topic=TOPIC,
            partition=number,
            offset=each.offset,
            timestamp=each.timestamp,
            timestamp_type=0,
            key=each.key,
            value=each.value,
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=each.headers,
        )
        for each in batch
    ]


def _number(payload: bytes | None) -> int:
    return int(json.loads(payload or b"{}")["number"])


def _cut_if(is_cut: bool) -> None:  # noqa: FBT001  # an assertion in reverse
    if is_cut:
        raise CutShort
