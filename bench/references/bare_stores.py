"""What the bare chain writes with: one service's database, a transaction per batch, no statement that could be spared.

The tables are Huiyin's own (inbox, outbox, consumer_offset), with one more for the effects: a row per case that was heard
of. So whoever waits for a suite to come to rest can wait for this one, too.
"""

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
import uuid_utils

from huiyin_contracts.event import Event

_EFFECTS: Final = "CREATE TABLE IF NOT EXISTS bare_effect (id text PRIMARY KEY, content text NOT NULL)"
_PUT_EFFECT: Final = " ON CONFLICT (id) DO UPDATE SET content = excluded.content"
_SET_OFFSET: Final = " ON CONFLICT (grp, topic, part) DO UPDATE SET next_offset = excluded.next_offset"
_OUTBOX: Final = "INSERT INTO outbox (id, topic, key, shard, headers, payload, created_at)"
_WAITING: Final = "SELECT seq, topic, key, headers, payload FROM outbox ORDER BY seq LIMIT 500"
_SQLITE_NOW: Final = "2026-11-22 08:15:30.000000"

Waiting = tuple[int, str, str, str, bytes]
"""A row of the outbox: number, topic, key, headers as JSON, event."""


@dataclass(slots=True)
class Batch:
    """What one transaction writes."""

    seen: list[str] = field(default_factory=list)
    effects: dict[str, str] = field(default_factory=dict)
    """By id, the last one of a batch."""
    events: list[Event] = field(default_factory=list)
    offsets: list[tuple[str, int, int]] = field(default_factory=list)
    """Topic, partition, the offset to read on from."""


class Store(Protocol):
    """One service's database."""

    async def open(self) -> None:
        """Connect, and make the table of effects."""

    async def write(self, batch: Batch) -> None:
        """Commit a batch: what was seen, its effects, its events and the offsets."""

    async def waiting(self) -> Sequence[Waiting]:
        """Return the first rows of the outbox."""

    async def forget(self, last: int) -> None:
        """Delete the outbox up to a number."""

    async def close(self) -> None:
        """Disconnect."""


class SqliteStore:
    """A SQLite file, written durably by one thread."""

    def __init__(self, path: Path, *, group: str) -> None:
        self._path = path
        self._group = group
        self._thread = ThreadPoolExecutor(1)
        self._connection: sqlite3.Connection

    async def open(self) -> None:
        """Connect, and make the table of effects."""
        await self._run(self._open)

    async def write(self, batch: Batch) -> None:
        """Commit a batch in one transaction."""
        await self._run(self._write, batch)

    async def waiting(self) -> Sequence[Waiting]:
        """Return the first rows of the outbox."""
        found: list[Waiting] = await self._run(lambda: self._connection.execute(_WAITING).fetchall())
        return found

    async def forget(self, last: int) -> None:
        """Delete the outbox up to a number."""
        await self._run(self._connection.execute, "DELETE FROM outbox WHERE seq <= ?", (last,))

    async def close(self) -> None:
        """Disconnect."""
        await self._run(self._connection.close)
        self._thread.shutdown()

    async def _run(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    def _open(self) -> None:
        self._connection = sqlite3.connect(self._path, isolation_level=None, cached_statements=512)
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(_EFFECTS)

    def _write(self, batch: Batch) -> None:
        with closing(self._connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.executemany(
                "INSERT INTO inbox VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(self._group, event_id, _SQLITE_NOW) for event_id in batch.seen],
            )
            cursor.executemany(f"INSERT INTO bare_effect VALUES (?, ?){_PUT_EFFECT}", batch.effects.items())
            cursor.executemany(
                f"{_OUTBOX} VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(*row, _SQLITE_NOW) for row in map(_outbox_row, batch.events)],
            )
            cursor.executemany(
                f"INSERT INTO consumer_offset VALUES (?, ?, ?, ?, 1, ?){_SET_OFFSET}",
                [(self._group, *place, _SQLITE_NOW) for place in batch.offsets],
            )
            cursor.execute("COMMIT")


class PostgresqlStore:
    """A PostgreSQL database over two connections: one takes batches, the other empties the outbox."""

    def __init__(self, url: str, *, group: str) -> None:
        self._url = url.replace("+asyncpg", "")
        self._group = group
        self._connection: asyncpg.Connection
        self._relay: asyncpg.Connection

    async def open(self) -> None:
        """Connect, and make the table of effects."""
        self._connection = await asyncpg.connect(self._url)
        self._relay = await asyncpg.connect(self._url)
        await self._connection.execute(_EFFECTS)

    async def write(self, batch: Batch) -> None:
        """Commit a batch in one transaction, a statement per table."""
        now = datetime.now(UTC)
        execute = self._connection.execute
        async with self._connection.transaction():
            if batch.seen:
                inbox = "INSERT INTO inbox SELECT $1, unnest($2::text[]), $3 ON CONFLICT DO NOTHING"
                await execute(inbox, self._group, batch.seen, now)
            if batch.effects:
                effects = f"INSERT INTO bare_effect SELECT * FROM unnest($1::text[], $2::text[]){_PUT_EFFECT}"
                await execute(effects, list(batch.effects), list(batch.effects.values()))
            if batch.events:
                types = "$1::text[], $2::text[], $3::text[], $4::smallint[], $5::text[], $6::bytea[]"
                rows = zip(*map(_outbox_row, batch.events), strict=True)
                await execute(f"{_OUTBOX} SELECT *, $7 FROM unnest({types})", *map(list, rows), now)
            if batch.offsets:
                offsets = (
                    "INSERT INTO consumer_offset SELECT $1, given.*, 1, $5 "
                    f"FROM unnest($2::text[], $3::int[], $4::bigint[]) AS given{_SET_OFFSET}"
                )
                await execute(offsets, self._group, *map(list, zip(*batch.offsets, strict=True)), now)

    async def waiting(self) -> Sequence[Waiting]:
        """Return the first rows of the outbox."""
        found: Sequence[Waiting] = await self._relay.fetch(_WAITING)
        return found

    async def forget(self, last: int) -> None:
        """Delete the outbox up to a number."""
        await self._relay.execute("DELETE FROM outbox WHERE seq <= $1", last)

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()
        await self._relay.close()


def _outbox_row(event: Event) -> tuple[str, str, str, int, str, bytes]:
    """Return all columns of an event's row but its number and its time; the headers are those CloudEvents asks for."""
    event_id = str(uuid_utils.uuid7())
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": f"/services/{event.PUBLISHER}",
        "ce_type": event.TYPE,
    }
    return event_id, event.TYPE, event.key, 0, json.dumps(headers), event.model_dump_json().encode()
