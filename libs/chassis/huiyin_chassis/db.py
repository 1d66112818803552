"""A service's database: SQLite or PostgreSQL behind the same two doors, `writing` and `reading`.

SQLite as it comes is slow and surprising: the driver opens transactions late and not before DDL, readers block
writers, several writers starve each other. Here the suite opens every transaction itself, keeps one connection for
writing behind a fair lock, and a small pool for reading (`sqlite` says what runs where). PostgreSQL gets an ordinary pool and bounded statements.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol, cast

from fastapi import Depends, Request
from pydantic_core import from_json, to_json
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from huiyin_chassis.settings import with_asyncio_driver
from huiyin_chassis.sqlite import Connection as SqliteConnection
from huiyin_chassis.sqlite_dialect import DRIVER
from huiyin_eventbus.columns import Json, UtcDateTime
from huiyin_eventbus.outbox import take_news
from huiyin_failpoints import reach

__all__ = ["Database", "Json", "OneStatement", "Reading", "UtcDateTime", "Writing", "sqlite_engine"]

READERS: Final = 4
_POSTGRESQL_OPTIONS: Final = {
    "jit": "off",  # compiling costs more than our short statements
    "timezone": "UTC",
    "statement_timeout": "30000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "60000",
}
_SQLITE_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "temp_store=MEMORY",
    # Per connection, and a process may have thirty of them. No mmap: an I/O error under it kills the process.
    "cache_size=-4096",
    "journal_size_limit=67108864",
)


class OneStatement(Protocol):
    """Runs one statement of PostgreSQL, with `$1` for its first argument, and commits it."""

    async def __call__(self, statement: str, *arguments: object) -> Sequence[Sequence[Any]]:
        """Return its rows, once they are committed.

        What it raises of the database's own has stored nothing, but where the connection or the server is at its end (SQLSTATE
        08 and 57): then, as with ConnectionAbortedError, nobody knows.
        """


class Database:
    """One service's database. Opens connections on first use; `close` ends them.

    `writing` and `reading` give a connection inside a transaction. On SQLite there is one writer at a time in this
    process, in the order of asking, and `BEGIN IMMEDIATE` keeps other processes out.
    """

    def __init__(self, url: str, *, readers: int = READERS) -> None:
        self.url = make_url(with_asyncio_driver(url))
        self.dialect_name = self.url.get_backend_name()
        self._told_of_news: list[Callable[[], None]] = []
        self._write_lock = asyncio.Lock()
        if self.dialect_name == "sqlite":
            self._writer = sqlite_engine(str(self.url), pool_size=1, max_overflow=0)
            self._reader = sqlite_engine(str(self.url), read_only=True, pool_size=readers, max_overflow=0)
        else:
            self._writer = self._reader = _postgresql_engine(self.url.render_as_string(hide_password=False))

    @property
    def engine(self) -> AsyncEngine:
        """Return the engine that writes."""
        return self._writer

    @property
    def path(self) -> Path | None:
        """Return the SQLite file, None on PostgreSQL."""
        return Path(self.url.database) if self.dialect_name == "sqlite" and self.url.database else None

    def on_news(self, callback: Callable[[], None]) -> None:
        """Call back after every commit that appended to the outbox; the callback must be quick and must not raise."""
        self._told_of_news.append(callback)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a transaction that commits at the end, or rolls back when the block raises."""
        async with self._begun() as tx:
            take_news(tx)  # of an earlier transaction on this connection, that was rolled back
            yield tx
            has_news = take_news(tx)
            self._before_commit()
        self._committed(has_news=has_news)

    @asynccontextmanager
    async def at_once(self) -> AsyncIterator[OneStatement]:
        """Give what runs statements that are transactions of their own; on PostgreSQL only.

        For a hot path: it spares the trips for BEGIN and COMMIT, and goes straight to the driver, whose errors are raised.
        A statement that appends to the outbox must return rows.
        """
        async with self._writer.connect() as connection:
            # SQLAlchemy begins with the first statement that it is given, and never hears of one here.
            driver: Any = (await connection.get_raw_connection()).driver_connection
            if driver.is_in_transaction():
                driver.terminate()
                raise ConnectionAbortedError("the pool gave a connection with an open transaction")

            async def commit(statement: str, *arguments: object) -> Sequence[Sequence[Any]]:
                self._before_commit()
                rows = await _fetch(driver, statement, *arguments)
                self._committed(has_news=bool(rows))
                return rows

            yield commit

    @staticmethod
    def _before_commit() -> None:
        reach("database.before_commit")

    def _committed(self, *, has_news: bool) -> None:
        reach("database.after_commit")
        if has_news:
            for callback in self._told_of_news:
                callback()

    @asynccontextmanager
    async def _begun(self) -> AsyncIterator[AsyncConnection]:
        if self.dialect_name == "sqlite":
            async with self._write_lock, self._writer.begin() as tx:
                yield tx
        else:
            async with self._writer.begin() as tx:
                yield tx

    @asynccontextmanager
    async def sweeping(self) -> AsyncIterator[AsyncConnection]:
        """Give what `writing` gives, for statements over so many rows that they take long: retention, a rebuild.

        On SQLite the statements of `writing` run on the event loop; these leave it free.
        """
        async with self.writing() as tx:
            if self.dialect_name != "sqlite":
                yield tx
                return
            connection = (await tx.get_raw_connection()).dbapi_connection
            with cast("SqliteConnection", connection).sweeping():
                yield tx

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection in a transaction that cannot write; a SQLite reader sees one snapshot throughout."""
        async with self._reader.connect() as connection:
            if self.dialect_name == "postgresql":
                await connection.execution_options(postgresql_readonly=True)
            yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()


def sqlite_engine(
    url: str, *, read_only: bool = False, foreign_keys: Literal["ON", "OFF"] = "ON", **pool: Any
) -> AsyncEngine:
    """Return an engine for a SQLite file with the suite's pragmas.

    A writer takes the lock when its transaction begins, not at its first write: a lock taken late cannot be waited
    for once the transaction has read. Without pool sizes each use opens its own connection.
    """
    pragmas = (*_SQLITE_PRAGMAS, f"foreign_keys={foreign_keys}", f"query_only={read_only:d}")
    return create_async_engine(
        make_url(url).set(drivername=DRIVER),
        json_serializer=_json_text,
        json_deserializer=from_json,
        hide_parameters=True,  # they are customers' words, and errors reach the log
        connect_args={"begin": "BEGIN" if read_only else "BEGIN IMMEDIATE", "pragmas": pragmas},
        **(pool or {"poolclass": NullPool}),
    )


def _postgresql_engine(url: str) -> AsyncEngine:
    engine = create_async_engine(
        url,
        json_serializer=_json_text,
        json_deserializer=from_json,
        hide_parameters=True,
        pool_size=8,
        max_overflow=8,
        pool_timeout=10,
        connect_args={"server_settings": dict(_POSTGRESQL_OPTIONS), "timeout": 10},
    )
    event.listen(engine.sync_engine, "do_connect", _connect)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _connect(dialect: Any, _record: object, arguments: Any, options: Any) -> Any:
    """Connect; a unix socket that is not there says the same as a port that refuses: nobody listens.

    A server that stops removes its socket, and a missing file alone would be nobody's fault but the code's.
    """
    try:
        return dialect.connect(*arguments, **options)
    except FileNotFoundError as gone:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "no server at this socket") from gone


async def _fetch(driver: Any, statement: str, *arguments: object) -> Sequence[Sequence[Any]]:
    """Return a statement's rows; raises what the database says, and ConnectionAbortedError when the driver cannot go on.

    Arguments that do not fit the statement are the caller's fault, and raised as they are.
    """
    try:
        rows: Sequence[Sequence[Any]] = await driver.fetch(statement, *arguments)
    except asyncio.CancelledError:
        # The database may be at work for it; nobody else must get this connection.
        driver.terminate()
        raise
    except Exception as error:
        if getattr(error, "sqlstate", None) is not None or isinstance(error, ValueError | TypeError):
            raise
        # Between a server's last words and the end of its connection the driver is in no state to go on.
        driver.terminate()
        raise ConnectionAbortedError("the connection to the database has broken") from error
    return rows


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool replace connections that a restarted server has closed.

    A ping at every checkout would find out too, but costs each transaction one more round trip.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError


def _json_text(value: object) -> str:
    # Pydantic's: four times as fast as the standard library's, and ledgers are written with every event.
    return to_json(value).decode()


async def _writing(request: Request) -> AsyncIterator[AsyncConnection]:
    async with request.app.state.runtime.database.writing() as tx:
        yield tx


async def _reading(request: Request) -> AsyncIterator[AsyncConnection]:
    async with request.app.state.runtime.database.reading() as connection:
        yield connection


# Function-scoped: FastAPI would otherwise send the response first and commit afterwards, and a failing commit
# would have been answered with a 2xx.
Writing = Annotated[AsyncConnection, Depends(_writing, scope="function")]
"""A connection in a transaction that commits before the response leaves."""
Reading = Annotated[AsyncConnection, Depends(_reading, scope="function")]
"""A connection in a transaction that only reads."""
