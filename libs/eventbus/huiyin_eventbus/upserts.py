"""Rows that are inserted many at a time, or change what is there already: tables that every event writes to.

SQLAlchemy spends more on the parameters of a row than SQLite does on the row. So the statement is compiled once and
rows are tuples: on SQLite they go to the driver as they are, on PostgreSQL as one array per column (`unnest`), in one
round trip. Not for the odd row: that is a plain Core insert. `bulk` inserts rows that need no more than that.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import Column, Dialect, Table, bindparam, func, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.rows import insert_into

Put = SqliteInsert | PostgresqlInsert
_Convert = Callable[[Any], Any]


class BulkUpsert:
    """An insert of rows with the named columns, which stand in the table's order.

    `conflict` adds what becomes of rows that are there already. Values are what the columns' types take.
    """

    def __init__(
        self, table: Table, columns: Sequence[str], *, conflict: Callable[[Any], Put] | None = None
    ) -> None:
        self._table: Final = table
        self._columns: Final = tuple(columns)
        self._conflict = conflict
        self._sqlite: tuple[str, list[_Convert | None]] | None = None
        self._postgresql = self._for_postgresql()

    async def write(self, tx: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, nothing when there are none; never commits.

        Where `conflict` updates, no two rows may have the same key, and rows that other transactions may write too
        must be sorted by it: locked in one order, they cannot deadlock.
        """
        if not rows:
            return
        if tx.dialect.name == "sqlite":
            self._sqlite = self._sqlite or self._for_sqlite(tx.dialect)
            text, converts = self._sqlite
            await tx.exec_driver_sql(text, _converted(rows, converts))
            return
        arrays = zip(self._columns, zip(*rows, strict=True), strict=True)
        await tx.execute(self._postgresql, {f"rows_{name}": list(values) for name, values in arrays})

    def _for_sqlite(self, dialect: Dialect) -> tuple[str, list[_Convert | None]]:
        put = SqliteInsert(self._table).values({name: bindparam(name) for name in self._columns})
        compiled = self._on_conflict(put).compile(dialect=dialect)
        if tuple(compiled.positiontup) != self._columns:
            raise ValueError(f"columns of {self._table.name} out of order, or other parameters among them")
        return str(compiled), [_convert_of(self._table.c[name], dialect) for name in self._columns]

    def _for_postgresql(self) -> Any:
        # One dimension, said aloud: JSON that is a list would be taken for another one.
        types = {name: ARRAY(self._table.c[name].type, dimensions=1) for name in self._columns}
        arrays = [bindparam(f"rows_{name}", type_=kind) for name, kind in types.items()]
        given = func.unnest(*arrays).table_valued(*self._columns, name="given").render_derived()
        wanted = select(*(given.c[name] for name in self._columns)).where(true())
        put = insert_into("postgresql", self._table)
        return self._on_conflict(put.from_select(list(self._columns), wanted))

    def _on_conflict(self, put: Any) -> Any:
        return self._conflict(put) if self._conflict else put


def _convert_of(column: Column[Any], dialect: Dialect) -> _Convert | None:
    """Return what turns a value into the driver's, None for values that need nothing."""
    found: _Convert | None = column.type.dialect_impl(dialect).bind_processor(dialect)
    return found


def _converted(rows: Sequence[tuple[Any, ...]], converts: Sequence[_Convert | None]) -> list[tuple[Any, ...]]:
    if not any(converts):
        return list(rows)
    columns = zip(zip(*rows, strict=True), converts, strict=True)
    return list(zip(*(map(convert, each) if convert else each for each, convert in columns), strict=True))
