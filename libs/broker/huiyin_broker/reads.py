"""Queries of the log. They run in the reader thread, on a connection of its own, up to a committed offset."""

import sqlite3
from collections.abc import Iterable

from huiyin_broker.ledger import StoredBatch
from huiyin_broker.records import first_stamped_from


def fitting(batches: Iterable[StoredBatch], *, max_bytes: int) -> list[StoredBatch]:
    """Return the first batch, then as many more as fit in `max_bytes` altogether."""
    taken: list[StoredBatch] = []
    size = 0
    for batch in batches:
        size += len(batch.payload)
        if taken and size > max_bytes:
            break
        taken.append(batch)
    return taken


def batches_from(
    connection: sqlite3.Connection, partition_id: int, *, offset: int, end: int, max_bytes: int
) -> list[StoredBatch]:
    """Return batches from the one holding `offset`, below `end`: at least one, then as many as fit."""
    rows = connection.execute(
        "SELECT base_offset, last_offset, payload FROM batches"
        " WHERE partition_id = ? AND base_offset < ? AND base_offset >= ("
        "  SELECT coalesce(max(base_offset), 0) FROM batches WHERE partition_id = ? AND base_offset <= ?)"
        " ORDER BY base_offset",
        (partition_id, end, partition_id, offset),
    )
    batches = (StoredBatch(*row) for row in rows)
    try:
        return fitting((batch for batch in batches if batch.last_offset >= offset), max_bytes=max_bytes)
    finally:
        rows.close()


def offset_at(
    connection: sqlite3.Connection, partition_id: int, *, timestamp_ms: int, end: int
) -> tuple[int, int] | None:
    """Return (offset, timestamp) of the first record stamped at or after the time, or None."""
    row = connection.execute(
        "SELECT base_offset FROM batches INDEXED BY batches_by_offset"
        " WHERE partition_id = ? AND base_offset < ? AND max_timestamp >= ? ORDER BY base_offset LIMIT 1",
        (partition_id, end, timestamp_ms),
    ).fetchone()
    if row is None:
        return None
    return first_stamped_from(_payload(connection, partition_id, row[0]), timestamp_ms=timestamp_ms)


def offset_of_latest_stamp(
    connection: sqlite3.Connection, partition_id: int, *, end: int
) -> tuple[int, int] | None:
    """Return (offset, timestamp) of the record with the highest timestamp, or None in an empty partition."""
    row = connection.execute(
        "SELECT base_offset, max_timestamp FROM batches INDEXED BY batches_by_offset"
        " WHERE partition_id = ? AND base_offset < ? ORDER BY max_timestamp DESC, base_offset LIMIT 1",
        (partition_id, end),
    ).fetchone()
    if row is None:
        return None
    return first_stamped_from(_payload(connection, partition_id, row[0]), timestamp_ms=row[1])


def retention_point(
    connection: sqlite3.Connection,
    partition_id: int,
    *,
    end: int,
    older_than_ms: int | None,
    keep_bytes: int | None,
) -> int:
    """Return the offset before which age or size want the partition trimmed.

    By age: up to the first batch that is young enough, as Kafka does with segments. By size: the newest batches
    that fit in `keep_bytes` stay.
    """
    return max(
        _first_young(connection, partition_id, end, older_than_ms) if older_than_ms is not None else 0,
        _first_fitting(connection, partition_id, end, keep_bytes) if keep_bytes is not None else 0,
    )


def _first_young(connection: sqlite3.Connection, partition_id: int, end: int, older_than_ms: int) -> int:
    (base,) = connection.execute(
        "SELECT min(base_offset) FROM (SELECT base_offset FROM batches INDEXED BY batches_by_offset"
        " WHERE partition_id = ? AND base_offset < ? AND max_timestamp >= ? ORDER BY base_offset LIMIT 1)",
        (partition_id, end, older_than_ms),
    ).fetchone()
    return end if base is None else int(base)


def _first_fitting(connection: sqlite3.Connection, partition_id: int, end: int, keep_bytes: int) -> int:
    rows = connection.execute(
        "SELECT base_offset, size_bytes FROM batches INDEXED BY batches_by_offset"
        " WHERE partition_id = ? AND base_offset < ? ORDER BY base_offset DESC",
        (partition_id, end),
    )
    kept, first = 0, end
    for base, size in rows:
        kept += size
        if kept > keep_bytes:
            break
        first = base
    rows.close()
    return first


def _payload(connection: sqlite3.Connection, partition_id: int, base_offset: int) -> bytes:
    (payload,) = connection.execute(
        "SELECT payload FROM batches WHERE partition_id = ? AND base_offset = ?", (partition_id, base_offset)
    ).fetchone()
    return bytes(payload)
