"""What the writer thread knows of the log: topics, ends of partitions, producers. It moves only after COMMIT.

Operations never touch the ledger. They read and write a `Transaction`, an overlay that `Ledger.adopt` merges once
SQLite has committed and that is thrown away when it has not. A first prototype moved sequence numbers before a
commit that failed, took the producer's retry for a duplicate and lost acknowledged records; here it cannot happen.
"""

import json
import sqlite3
from collections import ChainMap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from huiyin_broker.producers import ProducerEntry, Remembered

Change = object
"""Something that became true with a commit; the event loop is told of it afterwards (see `catalog`)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: its configs as given at creation, and the ids of its partitions in order."""

    id: int
    uuid: UUID
    name: str
    configs: Mapping[str, str]
    partition_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Partition:
    """Where a partition begins and ends, and the bytes between."""

    id: int
    topic_id: int
    number: int
    log_start: int
    next_offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """The place a consumer group has reached in one partition."""

    group_id: str
    topic: str
    partition: int
    next_offset: int
    leader_epoch: int
    metadata: str | None


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A batch in the log."""

    base_offset: int
    last_offset: int
    payload: bytes


FIRST_PRODUCER_ID: Final = 1000


class Ledger:
    """The committed state, loaded from the log at start."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic | None] = {}
        self.partitions: dict[int, Partition] = {}
        self.producers: dict[tuple[int, int], ProducerEntry] = {}
        self.counters: dict[str, int] = {"next_producer_id": FIRST_PRODUCER_ID}

    def adopt(self, transaction: "Transaction") -> None:
        """Make the overlay of a committed transaction the truth."""
        self.topics.update(transaction.topics.maps[0])
        self.partitions.update(transaction.partitions.maps[0])
        self.producers.update(transaction.producers.maps[0])
        self.counters.update(transaction.counters.maps[0])
        for topic in transaction.deleted:
            self._forget(topic)
        for key in transaction.forgotten:
            if key not in transaction.producers.maps[0]:
                self.producers.pop(key, None)

    def _forget(self, topic: Topic) -> None:
        if self.topics.get(topic.name) is None:
            self.topics.pop(topic.name, None)
        gone = set(topic.partition_ids)
        for partition_id in gone:
            self.partitions.pop(partition_id, None)
        for key in [key for key in self.producers if key[0] in gone]:
            del self.producers[key]


class Transaction:
    """The overlay of one group commit: reads fall through to the ledger, writes stay here until `flush`."""

    def __init__(
        self, connection: sqlite3.Connection, ledger: Ledger, *, now_ms: int, has_room: bool
    ) -> None:
        self.connection = connection
        self.now_ms = now_ms
        self.has_room = has_room
        self.topics = ChainMap({}, ledger.topics)
        self.partitions = ChainMap({}, ledger.partitions)
        self.producers = ChainMap({}, ledger.producers)
        self.counters = ChainMap({}, ledger.counters)
        self.deleted: list[Topic] = []
        self.forgotten: list[tuple[int, int]] = []
        self.changes: list[Change] = []
        self._rows: list[tuple[int, int, int, int, int, bytes]] = []

    def append(self, partition: Partition, batch: StoredBatch, *, max_timestamp: int) -> None:
        """Add a batch at the end of a partition."""
        size = len(batch.payload)
        self._rows.append(
            (partition.id, batch.base_offset, batch.last_offset, max_timestamp, size, batch.payload)
        )

    def flush_rows(self) -> None:
        """Write the appended batches to SQLite, for an operation that must see them there."""
        self.connection.executemany(
            "INSERT INTO batches (partition_id, base_offset, last_offset, max_timestamp, size_bytes, payload)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            self._rows,
        )
        self._rows.clear()

    def flush(self) -> None:
        """Write the overlay to SQLite, inside the open transaction. Raises sqlite3.Error."""
        self.flush_rows()
        execute_many = self.connection.executemany
        gone = {partition_id for topic in self.deleted for partition_id in topic.partition_ids}
        execute_many(
            "UPDATE partitions SET log_start = ?, next_offset = ?, size_bytes = ? WHERE id = ?",
            [(p.log_start, p.next_offset, p.size_bytes, p.id) for p in self.partitions.maps[0].values()],
        )
        execute_many(
            "INSERT OR REPLACE INTO producers (partition_id, producer_id, epoch, batches, seen_at_ms)"
            " VALUES (?, ?, ?, ?, ?)",
            [
                (*key, entry.epoch, _as_text(entry.batches), self.now_ms)
                for key, entry in self.producers.maps[0].items()
                if key[0] not in gone
            ],
        )
        execute_many(
            "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", list(self.counters.maps[0].items())
        )


def _as_text(batches: Iterable[Remembered]) -> str:
    # Not `dataclasses.astuple`, which copies deeply: this is done for every batch that is appended.
    return json.dumps([(each.first_sequence, each.last_sequence, each.base_offset) for each in batches])


def load_ledger(connection: sqlite3.Connection) -> Ledger:
    """Read the committed state from the log. Blocks."""
    ledger = Ledger()
    rows = connection.execute(
        "SELECT id, topic_id, number, log_start, next_offset, size_bytes FROM partitions"
    )
    ledger.partitions = {row[0]: Partition(*row) for row in rows}
    by_topic: dict[int, list[Partition]] = {}
    for partition in ledger.partitions.values():
        by_topic.setdefault(partition.topic_id, []).append(partition)
    for topic_id, uuid, name, configs in connection.execute("SELECT id, uuid, name, configs FROM topics"):
        ids = tuple(p.id for p in sorted(by_topic[topic_id], key=lambda partition: partition.number))
        ledger.topics[name] = Topic(topic_id, UUID(bytes=uuid), name, json.loads(configs), ids)
    for partition_id, producer_id, epoch, batches in connection.execute(
        "SELECT partition_id, producer_id, epoch, batches FROM producers"
    ):
        remembered = tuple(Remembered(*batch) for batch in json.loads(batches))
        ledger.producers[partition_id, producer_id] = ProducerEntry(epoch, remembered)
    counters = connection.execute("SELECT name, value FROM meta WHERE name = 'next_producer_id'")
    ledger.counters.update(dict(counters.fetchall()))
    return ledger


def load_committed_offsets(connection: sqlite3.Connection) -> list[CommittedOffset]:
    """Read the offsets of all consumer groups. Blocks."""
    rows = connection.execute(
        "SELECT group_id, topic, partition, next_offset, leader_epoch, metadata FROM group_offsets"
    )
    return [CommittedOffset(*row) for row in rows]
