"""What the event loop knows of the log: committed facts only, told by the writer after each COMMIT.

The catalog answers everything that needs no disk: which topics there are, how far a partition reaches, what the last
batches were, and who waits for more. The tail cache is bounded over all partitions together; what has left it is
read from SQLite.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from huiyin_broker.ledger import Change, CommittedOffset, Ledger, Partition, StoredBatch, Topic

_BATCH_OVERHEAD_BYTES: Final = 250
"""What a cached batch costs in memory beside its payload."""


@dataclass(frozen=True, slots=True)
class BatchAppended:
    """A batch is in the log."""

    partition_id: int
    batch: StoredBatch


@dataclass(frozen=True, slots=True)
class TopicCreated:
    """A topic exists."""

    topic: Topic
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class TopicDeleted:
    """A topic is gone."""

    topic: Topic


@dataclass(frozen=True, slots=True)
class PartitionTrimmed:
    """A partition begins later than before."""

    partition_id: int
    log_start: int


@dataclass(frozen=True, slots=True)
class OffsetsCommitted:
    """A group has come further (or was reset)."""

    offsets: tuple[CommittedOffset, ...]


@dataclass(frozen=True, slots=True)
class OffsetsDeleted:
    """A group's places in these (group, topic, partition) are forgotten."""

    keys: tuple[tuple[str, str, int], ...]


class PartitionView:
    """One partition as readers see it: `log_start` ≤ readable offsets < `high_watermark`."""

    __slots__ = ("high_watermark", "id", "is_deleted", "log_start", "number", "tail", "waiters")

    def __init__(self, partition: Partition) -> None:
        self.id = partition.id
        self.number = partition.number
        self.log_start = partition.log_start
        self.high_watermark = partition.next_offset
        self.is_deleted = False
        self.tail: deque[StoredBatch] = deque()
        self.waiters: set[asyncio.Event] = set()

    def has_in_tail(self, offset: int) -> bool:
        """Whether every batch from the one holding `offset` on is in the tail cache."""
        return bool(self.tail) and self.tail[0].base_offset <= offset

    def tail_from(self, offset: int) -> Iterable[StoredBatch]:
        """Return the cached batches from the one holding `offset` on. Readers are mostly near the end."""
        found: deque[StoredBatch] = deque()
        for batch in reversed(self.tail):
            if batch.last_offset < offset:
                break
            found.appendleft(batch)
        return found

    def wake(self) -> None:
        """Wake everybody who waits for news of this partition."""
        for waiter in self.waiters:
            waiter.set()


class Catalog:
    """The committed state for the event loop. Not for other threads."""

    def __init__(
        self, ledger: Ledger, committed: Sequence[CommittedOffset], *, tail_cache_bytes: int
    ) -> None:
        self.topics: dict[str, Topic] = {
            name: topic for name, topic in ledger.topics.items() if topic is not None
        }
        self.offsets: dict[str, dict[tuple[str, int], CommittedOffset]] = {}
        self._views = {entry.id: PartitionView(entry) for entry in ledger.partitions.values()}
        self._tail_limit = tail_cache_bytes
        self._tail_bytes = 0
        self._tail_order: deque[PartitionView] = deque()
        self.is_closing = False
        self._commit_offsets(committed)

    def topic_by_id(self, uuid: UUID) -> Topic | None:
        """Return the topic with this id."""
        return next((topic for topic in self.topics.values() if topic.uuid == uuid), None)

    def partition(self, topic: str, number: int) -> PartitionView | None:
        """Return the partition, or None when there is no such topic or number."""
        entry = self.topics.get(topic)
        if entry is None or not 0 <= number < len(entry.partition_ids):
            return None
        return self._views[entry.partition_ids[number]]

    def views(self, topic: Topic) -> list[PartitionView]:
        """Return the partitions of a topic in order."""
        return [self._views[partition_id] for partition_id in topic.partition_ids]

    def apply(self, changes: Sequence[Change]) -> None:
        """Take over what a commit has made true and wake those who waited for it."""
        woken: set[PartitionView] = set()
        for change in changes:
            match change:
                case BatchAppended(partition_id, batch):
                    woken.add(self._append(partition_id, batch))
                case OffsetsCommitted(offsets):
                    self._commit_offsets(offsets)
                case OffsetsDeleted(keys):
                    self._delete_offsets(keys)
                case PartitionTrimmed(partition_id, log_start):
                    woken.add(self._trim(partition_id, log_start))
                case TopicCreated(topic, partitions):
                    self.topics[topic.name] = topic
                    self._views.update({entry.id: PartitionView(entry) for entry in partitions})
                case TopicDeleted(topic):
                    woken.update(self._delete(topic))
        for view in woken:
            view.wake()

    def close(self) -> None:
        """Wake everybody who waits for news: there will be none."""
        self.is_closing = True
        for view in self._views.values():
            view.wake()

    def _append(self, partition_id: int, batch: StoredBatch) -> PartitionView:
        view = self._views[partition_id]
        view.high_watermark = batch.last_offset + 1
        view.tail.append(batch)
        self._tail_order.append(view)
        self._tail_bytes += _footprint(batch)
        while self._tail_bytes > self._tail_limit:
            oldest = self._tail_order.popleft()
            if oldest.tail:
                self._tail_bytes -= _footprint(oldest.tail.popleft())
        return view

    def _trim(self, partition_id: int, log_start: int) -> PartitionView:
        view = self._views[partition_id]
        view.log_start = log_start
        return view

    def _delete(self, topic: Topic) -> list[PartitionView]:
        if self.topics.get(topic.name) == topic:
            del self.topics[topic.name]
        gone = [self._views.pop(partition_id) for partition_id in topic.partition_ids]
        for view in gone:
            view.is_deleted = True
            self._tail_bytes -= sum(map(_footprint, view.tail))
            view.tail.clear()
        for group in self.offsets.values():
            for key in [key for key in group if key[0] == topic.name]:
                del group[key]
        return gone

    def _commit_offsets(self, offsets: Iterable[CommittedOffset]) -> None:
        for offset in offsets:
            group = self.offsets.setdefault(offset.group_id, {})
            group[offset.topic, offset.partition] = offset

    def _delete_offsets(self, keys: Iterable[tuple[str, str, int]]) -> None:
        for group_id, topic, number in keys:
            group = self.offsets.get(group_id, {})
            group.pop((topic, number), None)
            if not group:
                self.offsets.pop(group_id, None)


def _footprint(batch: StoredBatch) -> int:
    return len(batch.payload) + _BATCH_OVERHEAD_BYTES
