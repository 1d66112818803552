"""Clients of a log that write down what they are told, run as processes of their own beside the broker under test.

    python -m tests.support.log_clients produce BOOTSTRAP TOPIC FOLDER PRODUCERS
    python -m tests.support.log_clients consume BOOTSTRAP TOPIC FOLDER GROUP MEMBER

They run until SIGTERM. A consumer keeps an inbox in `FOLDER/GROUP.db` and takes effect there once per record.
"""

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns
from typing import Any, TextIO

from aiokafka import (
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    TopicPartition,
)
from aiokafka.errors import IllegalStateError, KafkaError

IN_FLIGHT = 5
KEYS = 3


class Diary:
    """An append-only file of JSON lines; a line is with the system when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)

    def write(self, **words: Any) -> None:
        """Append one line, stamped with the machine's monotonic clock in ns."""
        self._file.write(json.dumps({"at": monotonic_ns(), **words}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


async def produce(bootstrap: str, topic: str, folder: Path, *, name: str, stop: asyncio.Event) -> None:
    """Send numbered records, five in flight, with an idempotent producer; write down each acknowledgement.

    A number whose send failed is not tried again: nobody knows whether it is in the log. A new producer goes on.
    """
    diary, number = Diary(folder / f"{name}.sent"), 0
    while not stop.is_set():
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, retry_backoff_ms=50
        )
        with suppress(KafkaError):
            await producer.start()
            try:
                while not stop.is_set():
                    numbers = range(number, number + IN_FLIGHT)
                    number += IN_FLIGHT
                    await _send(producer, topic, numbers, name=name, diary=diary)
            finally:
                with suppress(TimeoutError, KafkaError):
                    await asyncio.wait_for(producer.stop(), 10)
        await asyncio.sleep(0.1)
    diary.close()


async def _send(
    producer: AIOKafkaProducer, topic: str, numbers: Iterable[int], *, name: str, diary: Diary
) -> None:
    """Send and await all of them; raises KafkaError when one was refused, after writing down the others."""
    sending = [
        (
            number,
            await producer.send(topic, f"{name}:{number}".encode(), key=f"{name}/{number % KEYS}".encode()),
        )
        for number in numbers
    ]
    outcomes = await asyncio.gather(*(future for _, future in sending), return_exceptions=True)
    for (number, _), outcome in zip(sending, outcomes, strict=True):
        if not isinstance(outcome, BaseException):
            diary.write(number=number, partition=outcome.partition, offset=outcome.offset)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


class Inbox:
    """Which records a group has taken, shared by its members; every record takes effect once."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS effect (number INTEGER PRIMARY KEY, value TEXT NOT NULL UNIQUE)"
        )

    def take(self, values: Iterable[str]) -> None:
        """Take effect for the values that are new; commits."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT OR IGNORE INTO effect (value) VALUES (?)", [(value,) for value in values]
        )
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class Assignments(ConsumerRebalanceListener):
    """Writes down when partitions change hands, and keeps the hands still meanwhile."""

    def __init__(self, diary: Diary) -> None:
        self._diary = diary
        self.busy = asyncio.Lock()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002  # their signature
        """Wait until the batch in hand is done."""
        async with self.busy:
            pass

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin a session."""
        self._diary.write(assigned=sorted(each.partition for each in assigned))


async def consume(
    bootstrap: str, topic: str, folder: Path, *, group: str, member: str, stop: asyncio.Event
) -> None:
    """Read as a member of a group; write down every record and every acknowledged commit."""
    diary, inbox = Diary(folder / f"{group}-{member}.read"), Inbox(folder / f"{group}.db")
    assignments = Assignments(diary)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        retry_backoff_ms=50,
    )
    consumer.subscribe([topic], listener=assignments)
    await consumer.start()
    while not stop.is_set():
        found = await consumer.getmany(timeout_ms=200, max_records=200)
        async with assignments.busy:
            mine = {place: records for place, records in found.items() if place in consumer.assignment()}
            if mine:
                await _take(consumer, mine, diary=diary, inbox=inbox)
    with suppress(TimeoutError, KafkaError):
        await asyncio.wait_for(consumer.stop(), 10)
    inbox.close()
    diary.close()


async def _take(
    consumer: AIOKafkaConsumer,
    found: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]],
    *,
    diary: Diary,
    inbox: Inbox,
) -> None:
    for place, records in found.items():
        for record in records:
            diary.write(read=[place.partition, record.offset, (record.value or b"").decode()])
    inbox.take((record.value or b"").decode() for records in found.values() for record in records)
    ends = {place: records[-1].offset + 1 for place, records in found.items()}
    with suppress(KafkaError, IllegalStateError, TimeoutError):
        # A coordinator that is away is no reason to stop reading: the next commit says more.
        await asyncio.wait_for(consumer.commit(ends), 2)
        diary.write(committed={place.partition: offset for place, offset in ends.items()})


async def main(arguments: list[str]) -> None:
    """Run the named client until SIGTERM."""
    role, bootstrap, topic, folder, *more = arguments
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if role == "consume":
        await consume(bootstrap, topic, Path(folder), group=more[0], member=more[1], stop=stop)
        return
    names = [f"p{number}" for number in range(int(more[0]))]
    async with asyncio.TaskGroup() as producers:
        for name in names:
            producers.create_task(produce(bootstrap, topic, Path(folder), name=name, stop=stop))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
