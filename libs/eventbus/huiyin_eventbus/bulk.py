"""Many rows into a table with one statement of the driver's own, for tables that every event writes to.

There SQLAlchemy's care for every value of every row costs more than the database does. So the statement is compiled once:
PostgreSQL gets one array per column (`unnest`), SQLite one tuple per row, and only what a driver cannot take as it is
(times, JSON) goes through the column's type. Not for the odd row: that is a plain Core insert. `rows` binds a list of
rows inside a query.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Dialect, LargeBinary, String, Table, Text, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.columns import UtcDateTime

Put = SqliteInsert | PostgresqlInsert
_Bind = Callable[[Iterable[Any]], list[Any]]


class BulkInsert:
    """An insert of rows with the named columns, which stand in the table's order; the others get the database's default.

    `conflict` adds what becomes of rows that are there already; without it they raise IntegrityError.
    """

    def __init__(
        self, table: Table, columns: Iterable[str], *, conflict: Callable[[Any], Put] | None = None
    ) -> None:
        self._table: Final = table
        self._columns: Final = tuple(columns)
        self._conflict = conflict
        # By dialect, not by its name: each engine has its own way to write JSON.
        self._prepared: Final[WeakKeyDictionary[Dialect, tuple[str, list[_Bind]]]] = WeakKeyDictionary()

    async def write(self, tx: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert rows and return how many were inserted or changed, no statement when there are none; never commits.

        Where `conflict` updates, no two rows may have the same key; where it does nothing, the first of two is
        inserted. Rows that other transactions may write too must be sorted by their key: locked in one order, they
        cannot deadlock.
        """
        if not rows:
            return 0
        dialect = tx.dialect
        if dialect not in self._prepared:
            self._prepared[dialect] = self._prepare(dialect)
        text, binds = self._prepared[dialect]
        columns = [bind(values) for bind, values in zip(binds, zip(*rows, strict=True), strict=True)]
        given = list(zip(*columns, strict=True)) if dialect.name == "sqlite" else tuple(columns)
        return (await tx.exec_driver_sql(text, given)).rowcount

    def _prepare(self, dialect: Dialect) -> tuple[str, list[_Bind]]:
        """Return the statement's text, and what makes each column's values fit for the driver."""
        put = self._of_tuples() if dialect.name == "sqlite" else self._of_arrays()
        compiled = (self._conflict(put) if self._conflict else put).compile(dialect=dialect)
        if tuple(compiled.positiontup or ()) != self._columns:
            raise ValueError(f"columns of {self._table.name} out of order, or other parameters among them")
        return str(compiled), [_bind_of(self._table.c[name], dialect) for name in self._columns]

    def _of_tuples(self) -> Put:
        return SqliteInsert(self._table).values({name: bindparam(name) for name in self._columns})

    def _of_arrays(self) -> Put:
        # One dimension, said aloud: JSON that is a list would be taken for another one.
        types = {name: ARRAY(_array_type(self._table.c[name]), dimensions=1) for name in self._columns}
        arrays = [bindparam(name, type_=kind) for name, kind in types.items()]
        given = func.unnest(*arrays).table_valued(*self._columns, name="given").render_derived()
        wanted = select(*(given.c[name] for name in self._columns)).where(true())
        return PostgresqlInsert(self._table).from_select(list(self._columns), wanted)


def _array_type(column: Column[Any]) -> Any:
    # Text of any length: a cast to a bounded type would cut silently what the column itself refuses.
    return Text() if isinstance(column.type, String) else column.type


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
