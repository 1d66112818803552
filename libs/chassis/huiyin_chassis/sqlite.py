"""SQLite for asyncio without a thread hop per statement: connections over the standard library's driver.

A statement inside a transaction costs SQLite microseconds and, in WAL mode, waits for no disk; handing it to a thread
and back costs many times that. So statements run on the event loop, and only what may take long goes to the
connection's own thread: opening and closing, the commit (its fsync and checkpoint release the interpreter lock), a read
that outruns its budget, a result that is streamed, many rows in one statement, and on request whatever sweeps.

Nothing waits for a lock inside SQLite: a locked database is asked again from the loop, in growing steps, so that other
work goes on and a cancelled task leaves at once.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, repeat
from math import inf
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, ClassVar, Final, TypeVar

from sqlalchemy import AdaptedConnection
from sqlalchemy.util import await_only

from huiyin_chassis.aside import Aside
from huiyin_chassis.sqlite_inserts import execute_many

LOCK_PATIENCE_SECONDS: Final = 10.0
READ_BUDGET_SECONDS: Final = 0.005
"""How long a read may hold the event loop before it is begun anew in the thread; a read is what begins with SELECT."""
LONGEST_HOLD_SECONDS: Final = 0.005
"""How long a transaction goes from statement to statement before others get a turn of the loop."""
MOST_SETS_ON_LOOP: Final = 1000
"""Parameter sets of one statement: some milliseconds."""
_LOCK_PAUSES_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02)
# Looked at this often, a runaway read is caught within a fraction of a millisecond at a price too small to measure.
_STEPS_BETWEEN_LOOKS: Final = 10_000
_CACHED_STATEMENTS: Final = 512

Parameters = Sequence[Any] | Mapping[str, Any]
Result = TypeVar("Result")


class Connection(AdaptedConnection):
    """One SQLite connection, as SQLAlchemy's asyncio side wants it; to be used by one task at a time."""

    __slots__ = ("_aside", "_begin", "_deadline", "_held_since", "_is_sweeping")

    isolation_level: ClassVar[None] = None
    """The driver begins no transaction by itself."""

    def __init__(self, raw: sqlite3.Connection, aside: Aside, *, begin: str) -> None:
        self._connection: Any = raw
        self._aside = aside
        self._begin = begin
        self._deadline = inf
        self._is_sweeping = False
        self._held_since = 0.0
        self._watch()

    def cursor(self, server_side: bool = False) -> "Cursor":  # noqa: FBT001, FBT002 - SQLAlchemy's signature
        """Return a cursor; a server-side one fetches in the thread, for results of any length."""
        return StreamingCursor(self) if server_side else Cursor(self)

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        """Have every statement of the block run in the thread."""
        self._is_sweeping = True
        try:
            yield
        finally:
            self._is_sweeping = False

    def begin(self) -> None:
        """Begin a transaction, waiting for the lock when this is a writer."""
        self._held_since = perf_counter()
        self.patiently(lambda: self._connection.execute(self._begin))

    def commit(self) -> None:
        """Commit in the thread; a task cancelled meanwhile is cancelled when the commit is over."""
        if self._connection.in_transaction:
            self.in_thread(self._connection.commit)

    def rollback(self) -> None:
        """Roll back; nothing happens when SQLite has done it already, as it does when a disk is full."""
        self._connection.rollback()

    def close(self) -> None:
        """Close in the thread: the last connection of a file checkpoints it."""
        self._connection.set_progress_handler(None, 0)
        try:
            await_only(self._aside.run(self._connection.close))
        finally:
            self._aside.stop()

    def terminate(self) -> None:
        """Close without waiting, from any context."""
        self._connection.set_progress_handler(None, 0)
        self._aside.submit(self._connection.close)
        self._aside.stop()

    def take_turns(self) -> None:
        """Let others have the event loop when this transaction has held it for long: its statements never wait."""
        if perf_counter() - self._held_since < LONGEST_HOLD_SECONDS:
            await_only(_NOTHING)  # SQLAlchemy insists that something is awaited
            return
        await_only(asyncio.sleep(0))
        self._held_since = perf_counter()

    def run(self, work: Callable[[], Result], *, is_long: bool, is_read: bool) -> Result:
        """Do a statement's work here, or in the thread when it is long or turns out to be."""
        if is_long or self._is_sweeping:
            return self.in_thread(work, hurry=self._connection.interrupt)
        if not is_read:
            return self.patiently(work)
        self._deadline = perf_counter() + READ_BUDGET_SECONDS
        try:
            return self.patiently(work)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
        finally:
            self._deadline = inf
        # A read that is interrupted leaves the transaction as it was, so it can begin anew.
        return self.in_thread(work, hurry=self._connection.interrupt)

    def in_thread(self, work: Callable[[], Result], *, hurry: Callable[[], None] | None = None) -> Result:
        """Do work in the connection's thread."""
        # The handler would want the interpreter's lock, thousands of times.
        self._connection.set_progress_handler(None, 0)
        try:
            return await_only(self._aside.run(work, hurry=hurry))
        finally:
            self._watch()

    def patiently(self, work: Callable[[], Result]) -> Result:
        """Do work, again and again while the database is locked; raises what SQLite says when patience is at its end."""
        try:
            return work()
        except sqlite3.OperationalError as error:
            if not _is_busy(error):
                raise
        return await_only(_until_free(work))

    def _watch(self) -> None:
        self._connection.set_progress_handler(self._is_overdue, _STEPS_BETWEEN_LOOKS)

    def _is_overdue(self) -> bool:
        return perf_counter() > self._deadline


class Cursor:
    """A cursor whose rows are all fetched when its statement is executed."""

    server_side: ClassVar[bool] = False
    __slots__ = ("_changed", "_connection", "_cursor", "_rows", "arraysize")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor: sqlite3.Cursor = connection.driver_connection.cursor()
        self._rows: deque[Any] = deque()
        self._changed: int | None = None
        self.arraysize = 1

    @property
    def description(self) -> Any:
        """Return the result's columns, None for a statement without a result."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """Return how many rows were changed."""
        return self._cursor.rowcount if self._changed is None else self._changed

    @property
    def lastrowid(self) -> int | None:
        """Return the number of the row inserted last."""
        return self._cursor.lastrowid

    def execute(self, statement: str, parameters: Parameters | None = None) -> None:
        """Execute a statement and fetch its rows."""
        self._connection.take_turns()
        self._changed = None
        cursor, given = self._cursor, parameters or ()

        def work() -> list[Any]:
            return cursor.execute(statement, given).fetchall()

        self._rows = deque(self._connection.run(work, is_long=False, is_read=statement.startswith("SELECT")))

    def executemany(self, statement: str, parameters: Sequence[Parameters]) -> None:
        """Execute a statement with each set of parameters; rows of an INSERT go several at a time."""
        self._connection.take_turns()
        self._changed = self._connection.run(
            lambda: execute_many(self._cursor, statement, parameters),
            is_long=len(parameters) > MOST_SETS_ON_LOOP,
            is_read=False,
        )

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        rows = self._rows
        return [rows.popleft() for _ in range(min(size or self.arraysize, len(rows)))]

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        found = list(self._rows)
        self._rows.clear()
        return found

    def __iter__(self) -> Iterator[Any]:
        while self._rows:
            yield self._rows.popleft()

    def setinputsizes(self, *_sizes: Any) -> None:
        """Do nothing: SQLite takes values of any size."""

    def close(self) -> None:
        """Drop what was not fetched."""
        self._rows.clear()

    async def _async_soft_close(self) -> None:
        """Do nothing: the rows are here already."""


class StreamingCursor(Cursor):
    """A cursor that fetches as it is asked, in the thread."""

    server_side: ClassVar[bool] = True
    __slots__ = ()

    def execute(self, statement: str, parameters: Parameters | None = None) -> None:
        """Execute a statement without fetching its rows."""
        self._aside(lambda: self._cursor.execute(statement, parameters or ()))

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        return self._aside(self._cursor.fetchone)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        return self._aside(lambda: self._cursor.fetchmany(size or self.arraysize))

    def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        return self._aside(self._cursor.fetchall)

    def __iter__(self) -> Iterator[Any]:
        while found := self.fetchmany(MOST_SETS_ON_LOOP):
            yield from found

    def close(self) -> None:
        """End the read."""
        self._cursor.close()

    def _aside(self, work: Callable[[], Result]) -> Result:
        connection = self._connection
        return connection.in_thread(work, hurry=connection.driver_connection.interrupt)


def connect(path: str, *, begin: str, pragmas: Sequence[str]) -> Connection:
    """Open a file in the connection's own thread; `begin` is the statement that begins its transactions.

    To be called by SQLAlchemy, in a greenlet of its own.
    """
    aside = Aside(f"sqlite-{Path(path).stem}")
    try:
        return Connection(await_only(aside.run(partial(_open, path, pragmas))), aside, begin=begin)
    except BaseException:
        aside.stop()
        raise


def _open(path: str, pragmas: Iterable[str]) -> sqlite3.Connection:
    raw = sqlite3.connect(
        path,
        timeout=LOCK_PATIENCE_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_CACHED_STATEMENTS,
    )
    try:
        for pragma in pragmas:
            raw.execute(f"PRAGMA {pragma}")
        # From here on the loop waits for locks, not SQLite.
        raw.execute("PRAGMA busy_timeout=0")
    except BaseException:
        raw.close()
        raise
    return raw


async def _until_free(work: Callable[[], Result]) -> Result:
    give_up_at = monotonic() + LOCK_PATIENCE_SECONDS
    for pause in chain(_LOCK_PAUSES_SECONDS, repeat(_LOCK_PAUSES_SECONDS[-1])):
        await asyncio.sleep(pause)
        try:
            return work()
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or monotonic() > give_up_at:
                raise
    raise AssertionError("endless")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    # The low byte is the kind; BUSY_SNAPSHOT, which waiting does not mend, is another code with the same one.
    return error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY}


class _Nothing:
    """Awaited where nothing is to be waited for."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


_NOTHING: Final = _Nothing()
