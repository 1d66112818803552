"""Many rows into a table with one statement of the driver's own, for hot paths.

There SQLAlchemy's care for every value of every row costs more than the database does. PostgreSQL gets one array per
column, SQLite one tuple per row, and only what a driver cannot take as it is (times, JSON) goes through the column's
type. All rows name the same columns, and no column gets a default of Python's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Column, Dialect, LargeBinary, String, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.columns import UtcDateTime

Rows = Sequence[Mapping[str, Any]]
_Bind = Callable[[Iterable[Any]], list[Any]]
_IF_NEW: Final = " ON CONFLICT DO NOTHING"


async def insert_rows(tx: AsyncConnection, table: Table, rows: Rows) -> None:
    """Insert rows; never commits. Raises IntegrityError when one of them breaks a constraint."""
    if rows:
        await _insert(tx, table, rows)


async def insert_new_rows(tx: AsyncConnection, table: Table, rows: Rows) -> int:
    """Insert the rows whose unique keys are still free and return how many those were; never commits.

    Of two rows with one key the first is inserted. On PostgreSQL it waits for other transactions that insert the same
    key: sort the rows by it, or two of them may deadlock.
    """
    return await _insert(tx, table, rows, suffix=_IF_NEW) if rows else 0


async def _insert(tx: AsyncConnection, table: Table, rows: Rows, *, suffix: str = "") -> int:
    names = tuple(rows[0])
    statement, binds = _prepared(table, names, tx.dialect)
    columns = [bind([row[name] for row in rows]) for name, bind in zip(names, binds, strict=True)]
    if tx.dialect.name == "sqlite":
        done = await tx.exec_driver_sql(statement + suffix, list(zip(*columns, strict=True)))
    else:
        done = await tx.exec_driver_sql(statement + suffix, tuple(columns))
    return done.rowcount


@lru_cache(maxsize=512)
def _prepared(table: Table, names: tuple[str, ...], dialect: Dialect) -> tuple[str, list[_Bind]]:
    """Return the statement that inserts these columns, and what makes each column's values fit for the driver."""
    columns = [table.c[name] for name in names]
    quote = dialect.identifier_preparer
    into = f"INSERT INTO {quote.format_table(table)} ({', '.join(quote.quote(name) for name in names)})"
    if dialect.name == "sqlite":
        statement = f"{into} VALUES ({', '.join('?' * len(names))})"
    else:
        arrays = ", ".join(
            f"${number}::{_postgresql_type(column, dialect)}[]"
            for number, column in enumerate(columns, start=1)
        )
        statement = f"{into} SELECT * FROM unnest({arrays})"  # noqa: S608 - made of the table's own names
    return statement, [_bind_of(column, dialect) for column in columns]


def _postgresql_type(column: Column[Any], dialect: Dialect) -> str:
    # Text of any length: a cast to a bounded type would cut silently what the column itself refuses.
    return "TEXT" if isinstance(column.type, String) else column.type.compile(dialect=dialect)


def _bind_of(column: Column[Any], dialect: Dialect) -> _Bind:
    kind = column.type.dialect_impl(dialect)
    bind = None if isinstance(column.type, LargeBinary) else kind.bind_processor(dialect)
    if bind is None:
        return list
    if isinstance(column.type, UtcDateTime):
        return lambda moments: _each_once(bind, moments)
    return lambda values: [bind(value) for value in values]


def _each_once(bind: Callable[[Any], Any], moments: Iterable[Any]) -> list[Any]:
    """Return bound moments; the rows of a batch mostly share them, and each takes microseconds to bind."""
    bound: dict[Any, Any] = {}
    return [bound[each] if each in bound else bound.setdefault(each, bind(each)) for each in moments]
