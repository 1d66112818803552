"""A list of rows as one statement parameter: whole batches in one statement, the same text whatever their size.

PostgreSQL takes one array per column (`unnest`), SQLite one JSON text (`json_each`). The statements around them stay
SQLAlchemy Core, so they are compiled once per dialect. Not for bytes: JSON has none.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Label, Table, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.types import TypeEngine

_TYPES: Mapping[type, type[TypeEngine[Any]]] = {str: Text, int: BigInteger}


def insert_into(dialect_name: str, table: Table) -> SqliteInsert | PostgresqlInsert:
    """Return the dialect's own INSERT, the one with `on_conflict_…`."""
    return SqliteInsert(table) if dialect_name == "sqlite" else PostgresqlInsert(table)


def rows_of(dialect_name: str, columns: Mapping[str, type]) -> FromClause:
    """Return a table of bound rows with the named columns, to be filled by `bind_rows`."""
    if dialect_name == "sqlite":
        each = func.json_each(bindparam("rows", type_=Text)).table_valued("value", name="each_row")
        return select(*_picked(each.c.value, list(columns))).select_from(each).subquery("given")
    arrays = [bindparam(f"rows_{name}", type_=ARRAY(_TYPES[kind])) for name, kind in columns.items()]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


def bind_rows(
    dialect_name: str, columns: Mapping[str, type], rows: Iterable[tuple[Any, ...]]
) -> dict[str, Any]:
    """Return the parameters that fill `rows_of` with these rows."""
    if dialect_name == "sqlite":
        # Rows of one column lie flat: SQLite then has no array to open for each.
        listed = [row for (row,) in rows] if len(columns) == 1 else list(rows)
        return {"rows": json.dumps(listed, ensure_ascii=False, separators=(",", ":"))}
    listed = list(rows)
    return {f"rows_{name}": [row[n] for row in listed] for n, name in enumerate(columns)}


def _picked(row: ColumnElement[Any], names: Sequence[str]) -> list[Label[Any]]:
    if len(names) == 1:
        return [row.label(names[0])]
    return [func.json_extract(row, f"$[{n}]").label(name) for n, name in enumerate(names)]
