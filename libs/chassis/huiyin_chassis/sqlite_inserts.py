"""Rows of one INSERT several at a time: SQLite's own price for a row without the driver's for a statement.

For every set of parameters the standard library's `executemany` resets the statement and lets go of the interpreter's
lock; next to threads that wait for it, that costs as much again as the row. Only for INSERT … VALUES of parameters.
"""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final, NamedTuple

MOST_ROWS: Final = 32
"""Rows of one statement: beyond that nothing is gained, and each number of rows is a statement to be remembered."""
_REMEMBERED: Final = 512
_INSERT: Final = re.compile(
    r"(?P<head>INSERT INTO [^?]*? VALUES )(?P<row>\(\?(?:, \?)*\))(?P<tail>[^?]*)", re.DOTALL
)


class _Insert(NamedTuple):
    head: str
    row: str
    tail: str

    def of(self, rows: int) -> str:
        return f"{self.head}{', '.join([self.row] * rows)}{self.tail}"


def execute_many(cursor: sqlite3.Cursor, statement: str, sets: Sequence[Any]) -> int:
    """Execute a statement with each set of parameters and return how many rows were changed; blocks.

    An INSERT that fails may leave out rows before the one at fault, too: the transaction, or the savepoint, is to be
    rolled back.
    """
    insert = _insert_of(statement)
    if insert is None:
        return cursor.executemany(statement, sets).rowcount
    changed = 0
    for rows in _cut(sets):
        changed += cursor.execute(insert.of(len(rows)), list(chain.from_iterable(rows))).rowcount
    return changed


@lru_cache(_REMEMBERED)
def _insert_of(statement: str) -> _Insert | None:
    found = _INSERT.fullmatch(statement)
    return _Insert(**found.groupdict()) if found else None


def _cut(sets: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Return the sets in pieces whose lengths are powers of two, so that few statements serve every number of rows."""
    start, size = 0, MOST_ROWS
    while start < len(sets):
        while len(sets) - start < size:
            size //= 2
        yield sets[start : start + size]
        start += size
