"""Takes batches from the outbox and deletes what was published: the database's half of the relay."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from sqlalchemy import Delete, Row, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.claims import FileLock, take_shards
from huiyin_eventbus.database import Database
from huiyin_eventbus.rows import bind_rows, rows_of
from huiyin_eventbus.tables import outbox

BATCH: Final = 500
OutboxRow = Row[*tuple[Any, ...]]
Publish = Callable[[Sequence[OutboxRow]], Awaitable[None]]
_SEQS: Final[Mapping[str, type]] = {"seq": int}
_WAITING: Final = (
    select(outbox.c.seq, outbox.c.topic, outbox.c.key, outbox.c.headers, outbox.c.payload)
    .order_by(outbox.c.seq)
    .limit(BATCH)
)


class Outlet(Protocol):
    """One relay's access to an outbox."""

    async def publish_batch(self, publish: Publish) -> int:
        """Hand the oldest rows to `publish`, delete them once it returns, and return how many there were.

        Whatever `publish` raises comes through, and the rows stay.
        """

    def close(self) -> None:
        """Let other relays have it."""


class SqliteOutlet:
    """The outbox of a SQLite file, for the one relay that holds the lock file; the others see no rows.

    No write lock is held while the broker answers: the rows are read, published, then deleted.
    """

    def __init__(self, database: Database, *, path: Path | None) -> None:
        self._database = database
        self._lock = FileLock(path.with_name(f"{path.name}.relay.lock")) if path else None

    async def publish_batch(self, publish: Publish) -> int:
        """Publish and delete; nothing for a relay that stands by."""
        if self._lock and not self._lock.try_take():
            return 0
        async with self._database.reading() as tx:
            rows = (await tx.execute(_WAITING)).all()
        if not rows:
            return 0
        await publish(rows)
        async with self._database.writing() as tx:
            await _delete(tx, rows)
        return len(rows)

    def close(self) -> None:
        """Release the lock file."""
        if self._lock:
            self._lock.release()


class PostgresqlOutlet:
    """The outbox of a PostgreSQL database: rows of the free shards, locked until the batch is deleted."""

    def __init__(self, database: Database, *, idle_milliseconds: int) -> None:
        self._database = database
        self._idle_milliseconds = idle_milliseconds

    async def publish_batch(self, publish: Publish) -> int:
        """Publish and delete in one transaction, which holds the shards."""
        async with self._database.reading() as tx:
            if (await tx.execute(select(outbox.c.seq).limit(1))).first() is None:
                return 0
        async with self._locked() as (tx, shards):
            rows = (await tx.execute(_WAITING.where(outbox.c.shard.in_(shards)))).all() if shards else []
            if rows:
                await publish(rows)
                await _delete(tx, rows)
        return len(rows)

    def close(self) -> None:
        """Do nothing: the locks end with each transaction."""

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[tuple[AsyncConnection, list[int]]]:
        async with self._database.writing() as tx:
            yield tx, await take_shards(tx, idle_milliseconds=self._idle_milliseconds)


def outlet_of(database: Database, *, idle_milliseconds: int) -> Outlet:
    """Return the outlet of a database; `idle_milliseconds` bounds how long a frozen relay keeps its shards."""
    if database.dialect_name == "sqlite":
        return SqliteOutlet(database, path=database.path)
    return PostgresqlOutlet(database, idle_milliseconds=idle_milliseconds)


async def _delete(tx: AsyncConnection, rows: Sequence[OutboxRow]) -> None:
    # By number, never by range: on PostgreSQL a lower number may be committed later.
    dialect = tx.dialect.name
    await tx.execute(_delete_given(dialect), bind_rows(dialect, _SEQS, [(row.seq,) for row in rows]))


@cache
def _delete_given(dialect: str) -> Delete:
    return delete(outbox).where(outbox.c.seq.in_(select(rows_of(dialect, _SEQS).c.seq)))
