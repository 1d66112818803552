"""Everything that can be written to the log, as functions of a transaction. They run in the writer thread.

An operation returns a Kafka error code for what a client did wrong and raises only when the storage fails.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from kio.schema.errors import ErrorCode

from huiyin_broker.batches import NO_PRODUCER, Batch, placed
from huiyin_broker.catalog import (
    BatchAppended,
    OffsetsCommitted,
    OffsetsDeleted,
    PartitionTrimmed,
    TopicCreated,
    TopicDeleted,
)
from huiyin_broker.ledger import CommittedOffset, Partition, StoredBatch, Topic, Transaction
from huiyin_broker.producers import OutOfSequence, StaleEpoch, duplicate_of, remember

_TOPIC_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_TRIM_CHUNK: Final = 500
_PAGES_GIVEN_BACK: Final = 2000


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of one batch: where it begins and where its partition begins, or why it was refused."""

    error: ErrorCode
    base_offset: int = -1
    log_start: int = -1


def is_topic_name(name: str) -> bool:
    """Kafka's rule for topic names."""
    return _TOPIC_NAME.fullmatch(name) is not None and name not in {".", ".."}


def append_batch(transaction: Transaction, *, topic: str, number: int, batch: Batch) -> Appended:
    """Append a batch, or answer a repetition with the offset the batch got the first time."""
    partition = _partition(transaction, topic, number)
    if partition is None:
        return Appended(ErrorCode.unknown_topic_or_partition)
    entry = transaction.producers.get((partition.id, batch.producer_id))
    try:
        earlier = duplicate_of(batch, entry)
    except StaleEpoch:
        return Appended(ErrorCode.invalid_producer_epoch)
    except OutOfSequence:
        return Appended(ErrorCode.out_of_order_sequence_number)
    if earlier is not None:
        return Appended(ErrorCode.none, earlier.base_offset, partition.log_start)
    if not transaction.has_room:
        return Appended(ErrorCode.kafka_storage_error)
    return _append(transaction, partition, batch)


def _append(transaction: Transaction, partition: Partition, batch: Batch) -> Appended:
    base = partition.next_offset
    stored = StoredBatch(base, base + batch.count - 1, placed(batch.payload, base))
    transaction.append(partition, stored, max_timestamp=batch.max_timestamp)
    moved = replace(
        partition, next_offset=base + batch.count, size_bytes=partition.size_bytes + len(stored.payload)
    )
    transaction.partitions[partition.id] = moved
    if batch.producer_id != NO_PRODUCER:
        key = (partition.id, batch.producer_id)
        transaction.producers[key] = remember(batch, transaction.producers.get(key), base_offset=base)
    transaction.changes.append(BatchAppended(partition.id, stored))
    return Appended(ErrorCode.none, base, partition.log_start)


def _partition(transaction: Transaction, topic: str, number: int) -> Partition | None:
    entry = transaction.topics.get(topic)
    if entry is None or not 0 <= number < len(entry.partition_ids):
        return None
    return transaction.partitions[entry.partition_ids[number]]


def create_topic(
    transaction: Transaction, name: str, *, partitions: int, configs: Mapping[str, str], limit: int
) -> ErrorCode:
    """Make a topic. `limit` is the number of partitions all topics together may have."""
    if not is_topic_name(name):
        return ErrorCode.invalid_topic_exception
    if transaction.topics.get(name) is not None:
        return ErrorCode.topic_already_exists
    if partitions < 1:
        return ErrorCode.invalid_partitions
    if len(transaction.partitions) + partitions > limit:
        return ErrorCode.policy_violation
    uuid = uuid4()
    cursor = transaction.connection.execute(
        "INSERT INTO topics (uuid, name, configs) VALUES (?, ?, ?)",
        (uuid.bytes, name, json.dumps(dict(configs))),
    )
    topic_id = int(cursor.lastrowid or 0)
    made = [_create_partition(transaction, topic_id, number) for number in range(partitions)]
    topic = Topic(topic_id, uuid, name, dict(configs), tuple(partition.id for partition in made))
    transaction.topics[name] = topic
    transaction.changes.append(TopicCreated(topic, tuple(made)))
    return ErrorCode.none


def _create_partition(transaction: Transaction, topic_id: int, number: int) -> Partition:
    cursor = transaction.connection.execute(
        "INSERT INTO partitions (topic_id, number, log_start, next_offset, size_bytes) VALUES (?, ?, 0, 0, 0)",
        (topic_id, number),
    )
    partition = Partition(int(cursor.lastrowid or 0), topic_id, number, 0, 0, 0)
    transaction.partitions[partition.id] = partition
    return partition


def delete_topic(transaction: Transaction, name: str) -> ErrorCode:
    """Delete a topic with its records, its producers' memory and the offsets groups committed for it."""
    topic = transaction.topics.get(name)
    if topic is None:
        return ErrorCode.unknown_topic_or_partition
    transaction.flush_rows()
    execute = transaction.connection.execute
    for partition_id in topic.partition_ids:
        execute("DELETE FROM batches WHERE partition_id = ?", (partition_id,))
        execute("DELETE FROM producers WHERE partition_id = ?", (partition_id,))
        execute("DELETE FROM partitions WHERE id = ?", (partition_id,))
    execute("DELETE FROM topics WHERE id = ?", (topic.id,))
    execute("DELETE FROM group_offsets WHERE topic = ?", (name,))
    transaction.topics[name] = None
    transaction.deleted.append(topic)
    transaction.changes.append(TopicDeleted(topic))
    return ErrorCode.none


def reserve_producer_id(transaction: Transaction) -> int:
    """Return a producer id that was never given out before."""
    producer_id = transaction.counters["next_producer_id"]
    transaction.counters["next_producer_id"] = producer_id + 1
    return producer_id


def commit_offsets(transaction: Transaction, offsets: Sequence[CommittedOffset]) -> None:
    """Store how far a group has come."""
    transaction.connection.executemany(
        "INSERT OR REPLACE INTO group_offsets"
        " (group_id, topic, partition, next_offset, leader_epoch, metadata, committed_at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (o.group_id, o.topic, o.partition, o.next_offset, o.leader_epoch, o.metadata, transaction.now_ms)
            for o in offsets
        ],
    )
    transaction.changes.append(OffsetsCommitted(tuple(offsets)))


def delete_offsets(transaction: Transaction, group_id: str, *, partitions: Iterable[tuple[str, int]]) -> None:
    """Forget how far a group has come in these partitions."""
    keys = [(group_id, topic, number) for topic, number in partitions]
    transaction.connection.executemany(
        "DELETE FROM group_offsets WHERE group_id = ? AND topic = ? AND partition = ?", keys
    )
    transaction.changes.append(OffsetsDeleted(tuple(keys)))


def trim_partition(transaction: Transaction, partition_id: int, *, before: int) -> int:
    """Delete up to 500 batches that end below offset `before`; return how many went.

    The log start moves to the first batch that stays; a partition trimmed empty starts at its end.
    """
    partition = transaction.partitions.get(partition_id)
    if partition is None:
        return 0
    transaction.flush_rows()
    execute = transaction.connection.execute
    doomed = execute(
        "SELECT base_offset, last_offset, size_bytes FROM batches INDEXED BY batches_by_offset"
        " WHERE partition_id = ? AND last_offset < ? ORDER BY base_offset LIMIT ?",
        (partition_id, before, _TRIM_CHUNK),
    ).fetchall()
    if not doomed:
        return 0
    log_start = doomed[-1][1] + 1
    execute("DELETE FROM batches WHERE partition_id = ? AND base_offset < ?", (partition_id, log_start))
    freed = sum(size for _, _, size in doomed)
    moved = replace(partition, log_start=log_start, size_bytes=partition.size_bytes - freed)
    transaction.partitions[partition_id] = moved
    transaction.changes.append(PartitionTrimmed(partition_id, log_start))
    return len(doomed)


def forget_producers(transaction: Transaction, *, unseen_since_ms: int) -> int:
    """Drop the memory of producers that have been silent since then; return how many went."""
    rows = transaction.connection.execute(
        "SELECT partition_id, producer_id FROM producers WHERE seen_at_ms < ? LIMIT 5000", (unseen_since_ms,)
    ).fetchall()
    gone = [key for key in rows if key not in transaction.producers.maps[0]]
    transaction.connection.executemany(
        "DELETE FROM producers WHERE partition_id = ? AND producer_id = ?", gone
    )
    transaction.forgotten.extend(gone)
    return len(gone)


def give_back_space(transaction: Transaction) -> int:
    """Return up to 2000 unused pages to the disk; tell how many went. The file shrinks at the next checkpoint."""
    execute = transaction.connection.execute
    (unused,) = execute("PRAGMA freelist_count").fetchone()
    execute(f"PRAGMA incremental_vacuum({_PAGES_GIVEN_BACK})").fetchall()
    (left,) = execute("PRAGMA freelist_count").fetchone()
    return int(unused - left)
