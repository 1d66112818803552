"""`huiyin up` with a stopwatch on SQLite: `python -m bench.subjects.suite FILE`.

SQLite's statements run on the services' event loop, where no accounting of the system can tell them from the rest. Here every connection counts the CPU time of its calls, and when the suite has stopped, FILE has the seconds by
database (intake, router, …, broker) as JSON. The stopwatch itself costs a little: the figures are shares, not rates.
"""

import atexit
import json
import sqlite3
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import thread_time
from typing import Any, Final

SPENT: Final[defaultdict[str, float]] = defaultdict(float)
"""CPU seconds inside SQLite by database."""

_connect: Final = sqlite3.connect


def _timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a cursor or connection that adds its CPU time to a database's."""

    @wraps(method)
    def timed(*arguments: Any, **options: Any) -> Any:
        began = thread_time()
        try:
            return method(*arguments, **options)
        finally:
            SPENT[name] += thread_time() - began

    return timed


def _cursor_class(name: str) -> type[sqlite3.Cursor]:
    methods = ("execute", "executemany", "executescript", "fetchone", "fetchmany", "fetchall", "__next__")
    return type(
        "TimedCursor",
        (sqlite3.Cursor,),
        {each: _timed(name, getattr(sqlite3.Cursor, each)) for each in methods},
    )


def _connection_class(name: str) -> type[sqlite3.Connection]:
    cursors = _cursor_class(name)

    class TimedConnection(sqlite3.Connection):
        """A connection whose cursors, shortcuts and commits are timed."""

        commit = _timed(name, sqlite3.Connection.commit)
        execute = _timed(name, sqlite3.Connection.execute)
        executemany = _timed(name, sqlite3.Connection.executemany)

        def cursor(self, factory: type[sqlite3.Cursor] = cursors) -> sqlite3.Cursor:  # type: ignore[override]
            """Return a timed cursor."""
            return super().cursor(factory)

    return TimedConnection


def _connect_timed(database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
    name = Path(str(database).removeprefix("file:").split("?", 1)[0]).stem
    connection: sqlite3.Connection = _connect(
        database, *arguments, **{**options, "factory": _connection_class(name)}
    )
    return connection


def main() -> None:
    """Run the suite until SIGTERM, then write what SQLite has used."""
    path = Path(sys.argv[1])
    atexit.register(lambda: path.write_text(json.dumps(SPENT), encoding="utf-8"))
    sqlite3.connect = _connect_timed  # type: ignore[assignment]  # the stopwatch
    from huiyin_chassis.cli import main as huiyin  # noqa: PLC0415 - after the stopwatch is in place

    sys.argv[1:] = ["up"]
    huiyin()


if __name__ == "__main__":
    main()
