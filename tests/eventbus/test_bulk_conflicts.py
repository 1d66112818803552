"""Rows written in bulk are what the same rows are when SQLAlchemy writes them, on both databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    insert,
    select,
)
from sqlalchemy.exc import StatementError

from huiyin_chassis.db import Database
from huiyin_eventbus.bulk import BulkInsert
from huiyin_eventbus.columns import Json, UtcDateTime

METADATA = MetaData()
thing = Table(
    "thing",
    METADATA,
    Column("id", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("at", UtcDateTime),
    Column("said", Json, nullable=False),
    Column("seen", Boolean),
    PrimaryKeyConstraint("id"),
)
COLUMNS = ("id", "n", "at", "said", "seen")
NOON = datetime(2026, 11, 20, 12, 0, 0, 1, tzinfo=UTC)
ROWS: list[tuple[Any, ...]] = [
    ("a", 1, NOON, {"zh-CN": "壶嘴漏水 \"'", "n": [1, None, 2.5]}, True),
    ("b", -(2**40), NOON.astimezone(timezone(timedelta(hours=8))), [], False),
    ("c", 0, None, "text", None),
]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.writing() as tx:
        await tx.run_sync(METADATA.create_all)
    yield database
    await database.close()


async def stored(database: Database) -> list[tuple[Any, ...]]:
    async with database.reading() as tx:
        return [tuple(row) for row in await tx.execute(select(thing).order_by(thing.c.id))]


async def test_rows_are_stored_as_a_plain_insert_stores_them(database: Database) -> None:
    async with database.writing() as tx:
        await BulkInsert(thing, COLUMNS).write(tx, ROWS)
    in_bulk = await stored(database)

    async with database.writing() as tx:
        await tx.execute(thing.delete())
        await tx.execute(insert(thing), [dict(zip(COLUMNS, row, strict=True)) for row in ROWS])
    assert in_bulk == await stored(database)
    assert [row[0] for row in in_bulk] == ["a", "b", "c"]


async def test_what_is_there_already_is_met_as_the_conflict_says(database: Database) -> None:
    adding = BulkInsert(
        thing,
        COLUMNS,
        conflict=lambda put: put.on_conflict_do_update(
            index_elements=["id"], set_={"n": thing.c.n + put.excluded.n}
        ),
    )
    async with database.writing() as tx:
        await adding.write(tx, ROWS)

        await adding.write(tx, [("a", 41, None, {}, None), ("d", 7, None, {}, None)])

    assert [row[:2] for row in await stored(database)] == [("a", 42), ("b", -(2**40)), ("c", 0), ("d", 7)]


async def test_no_rows_are_no_statement(database: Database) -> None:
    async with database.writing() as tx:
        await BulkInsert(thing, COLUMNS).write(tx, [])

    assert await stored(database) == []


@pytest.mark.parametrize("said", [[], [1], [[1], []], {}, None])
async def test_json_that_is_a_list_stays_one_value(database: Database, said: Any) -> None:
    async with database.writing() as tx:
        await BulkInsert(thing, ("id", "n", "said")).write(tx, [("a", 1, said), ("b", 2, said)])

    assert [row[3] for row in await stored(database)] == [said, said]


async def test_columns_that_are_left_out_stay_empty(database: Database) -> None:
    async with database.writing() as tx:
        await BulkInsert(thing, ("id", "n", "said")).write(tx, [("a", 1, {})])

    assert await stored(database) == [("a", 1, None, {}, None)]


async def test_columns_out_of_the_tables_order_are_refused_on_sqlite(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    async with database.writing() as tx:
        with pytest.raises(ValueError, match="out of order"):
            await BulkInsert(thing, ("n", "id", "said")).write(tx, [(1, "a", {})])
    await database.close()


async def test_on_sqlite_times_are_texts_of_one_width_that_sort_as_they_follow(tmp_path: Any) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    times = [
        NOON.replace(microsecond=0),
        NOON.astimezone(timezone(timedelta(hours=8))),
        NOON.replace(year=9999),
    ]
    async with database.writing() as tx:
        await tx.run_sync(METADATA.create_all)

        await tx.execute(
            insert(thing), [{"id": str(n), "n": n, "at": at, "said": 1} for n, at in enumerate(times)]
        )

        texts = (await tx.exec_driver_sql("SELECT at FROM thing ORDER BY at")).scalars().all()
        with pytest.raises(StatementError, match="naive"):
            await tx.execute(insert(thing).values(id="x", n=1, at=NOON.replace(tzinfo=None), said=1))
    await database.close()
    assert texts == [
        "2026-11-20 12:00:00.000000",
        "2026-11-20 12:00:00.000001",
        "9999-11-20 12:00:00.000001",
    ]
