"""Rows inserted past SQLAlchemy are the rows SQLAlchemy would have inserted."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
)
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from huiyin_chassis.db import Database
from huiyin_chassis.sqlite_dialect import DRIVER
from huiyin_eventbus.bulk import BulkInsert
from huiyin_eventbus.columns import Counter, Json, UtcDateTime

METADATA = MetaData()
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
sample = Table(
    "sample of all",
    METADATA,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("order", Text, nullable=False),
    Column("code", String(8)),
    Column("small", SmallInteger),
    Column("big", BigInteger),
    Column("is_open", Boolean),
    Column("payload", LargeBinary),
    Column("facts", Json),
    Column("at", UtcDateTime),
    UniqueConstraint("order"),
)
FULL = {
    "order": "一",
    "code": "abc",
    "small": 7,
    "big": 2**40,
    "is_open": True,
    "payload": b"\x00\xff",
    "facts": {"a": ["一", None]},
    "at": NOON,
}
EMPTY = dict.fromkeys(FULL) | {"order": "none"}
LATER = FULL | {
    "order": "later",
    "at": (NOON + timedelta(microseconds=1)).astimezone(timezone(timedelta(hours=8))),
}


async def insert_rows(
    tx: AsyncConnection, rows: Sequence[Mapping[str, Any]], *, conflict: Callable[[Any], Any] | None = None
) -> int:
    """Insert rows that name the same columns."""
    names = tuple(rows[0])
    return await BulkInsert(sample, names, conflict=conflict).write(tx, [tuple(row.values()) for row in rows])


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give a database with a table that has every kind of column."""
    opened = Database(database_url)
    async with opened.writing() as tx:
        await tx.run_sync(METADATA.create_all)
    yield opened
    await opened.close()


async def stored(database: Database) -> list[dict[str, Any]]:
    async with database.reading() as tx:
        found = await tx.execute(select(sample).order_by(sample.c.number))
        return [{name: value for name, value in row._mapping.items() if name != "number"} for row in found]


async def test_every_kind_of_column_comes_back_as_it_was(database: Database) -> None:
    async with database.writing() as tx:
        await insert_rows(tx, [FULL, EMPTY, LATER])

    assert await stored(database) == [FULL, EMPTY, LATER]


async def test_what_is_stored_is_what_sqlalchemy_stores(database: Database) -> None:
    async with database.writing() as tx:
        await insert_rows(tx, [FULL])
        await tx.execute(insert(sample), [FULL | {"order": "two"}])
        columns = ", ".join(f'CAST("{name}" AS TEXT)' for name in FULL if name not in {"order", "payload"})
        found = await tx.exec_driver_sql(f'SELECT {columns} FROM "sample of all"')  # noqa: S608 - our own names

        one, two = found.all()

    assert one == two


async def test_rows_get_their_numbers_in_the_order_given(database: Database) -> None:
    names = [f"{number:04}" for number in range(2000)]

    async with database.writing() as tx:
        await insert_rows(tx, [{"order": name} for name in names])

    assert [row["order"] for row in await stored(database)] == names


async def test_no_rows_are_no_statement(database: Database) -> None:
    async with database.writing() as tx:
        assert await BulkInsert(sample, tuple(FULL)).write(tx, []) == 0


async def test_a_taken_key_is_refused(database: Database) -> None:
    async with database.writing() as tx:
        await insert_rows(tx, [FULL])

    with pytest.raises(IntegrityError):
        async with database.writing() as tx:
            await insert_rows(tx, [LATER, FULL])

    assert await stored(database) == [FULL]


async def test_rows_of_taken_keys_are_left_out_and_not_counted(database: Database) -> None:
    async with database.writing() as tx:
        await insert_rows(tx, [FULL])

    async with database.writing() as tx:
        new = await insert_rows(
            tx,
            [FULL | {"small": 8}, LATER, LATER | {"small": 9}],
            conflict=lambda put: put.on_conflict_do_nothing(),
        )

    assert new == 1
    assert await stored(database) == [FULL, LATER]


async def test_a_naive_moment_is_refused(database: Database) -> None:
    with pytest.raises((ValueError, StatementError), match="naive"):
        async with database.writing() as tx:
            await insert_rows(tx, [FULL | {"at": NOON.replace(tzinfo=None)}])


async def test_text_longer_than_its_column_is_never_cut(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    async with database.writing() as tx:
        await tx.run_sync(METADATA.create_all)

    with pytest.raises(DBAPIError, match="too long"):
        async with database.writing() as tx:
            await insert_rows(tx, [FULL | {"code": "nine char"}])

    await database.close()


async def test_each_engine_writes_json_in_its_own_way(tmp_path: Path) -> None:
    adding = BulkInsert(sample, tuple(FULL))
    written = []

    for indent in (None, 1):
        engine = create_async_engine(
            f"{DRIVER}:///{tmp_path / f'{indent}.db'}",
            json_serializer=partial(json.dumps, indent=indent),
            connect_args={"begin": "BEGIN", "pragmas": ()},
        )
        async with engine.begin() as tx:
            await tx.run_sync(METADATA.create_all)
            await adding.write(tx, [tuple(FULL.values())])
            found = await tx.exec_driver_sql('SELECT facts FROM "sample of all"')
            written.append(found.scalar_one())
        await engine.dispose()

    assert written == [json.dumps(FULL["facts"]), json.dumps(FULL["facts"], indent=1)]
