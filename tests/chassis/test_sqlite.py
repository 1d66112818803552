"""SQLite on the event loop: short statements at once, long ones in a thread, locks waited for without blocking."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic, thread_time

import pytest
from sqlalchemy import column, insert, literal, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis import sqlite
from huiyin_chassis.db import Database
from huiyin_eventbus.failures import is_infrastructure

LONGEST_HOLD_SECONDS = 0.1
LONG = "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) SELECT i FROM n)"
ABOUT_A_SECOND = LONG.format(6_000_000)
FOR_EVER = LONG.format(10**12)
note = table("note", column("id"), column("body"))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Give a SQLite database with one table."""
    opened = Database(f"sqlite:///{tmp_path}/notes.db")
    async with opened.writing() as tx:
        await tx.execute(text("CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE)"))
    yield opened
    await opened.close()


async def write(database: Database, body: str) -> None:
    async with database.writing() as tx:
        await tx.execute(insert(note).values(body=body))


async def bodies(database: Database) -> list[str]:
    async with database.reading() as tx:
        return list((await tx.execute(select(note.c.body).order_by(note.c.id))).scalars())


@asynccontextmanager
async def free_loop() -> AsyncIterator[None]:
    """Fail when something computes for long on the event loop while the block runs.

    Counted in the loop's own processor time: on a busy machine a turn may come late for no fault of ours.
    """
    turns = [thread_time()]

    async def turn() -> None:
        while True:
            await asyncio.sleep(0.005)
            turns.append(thread_time())

    turning = asyncio.create_task(turn())
    yield
    turns.append(thread_time())
    turning.cancel()
    assert max(later - earlier for earlier, later in pairwise(turns)) < LONGEST_HOLD_SECONDS


@contextmanager
def other_writer(database: Database) -> Iterator[sqlite3.Connection]:
    """Hold the write lock of a database's file, as another process would."""
    with closing(sqlite3.connect(str(database.path), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


async def test_a_long_read_leaves_the_loop_free(database: Database) -> None:
    async with free_loop(), database.reading() as tx:
        found = (await tx.execute(text(ABOUT_A_SECOND))).scalar_one()

    assert found == 6_000_000


async def test_a_long_read_amid_a_writing_transaction_loses_nothing_of_it(database: Database) -> None:
    async with free_loop(), database.writing() as tx:
        await tx.execute(insert(note).values(body="before"))
        await tx.execute(text(ABOUT_A_SECOND))
        await tx.execute(insert(note).values(body="after"))

    assert await bodies(database) == ["before", "after"]


async def test_sweeping_over_many_rows_leaves_the_loop_free(database: Database) -> None:
    async with free_loop(), database.sweeping() as tx:
        await tx.execute(text(f"INSERT INTO note (body) {ABOUT_A_SECOND}"))

    assert await bodies(database) == ["6000000"]


async def test_a_statement_with_very_many_sets_leaves_the_loop_free(database: Database) -> None:
    rows = [{"body": f"{number}"} for number in range(50_000)]

    async with database.writing() as tx:
        statement = str(insert(note).values(body="?").compile(dialect=tx.dialect))
        async with free_loop():
            await tx.exec_driver_sql(statement, [(row["body"],) for row in rows])

    assert len(await bodies(database)) == 50_000


async def test_very_many_short_statements_leave_the_loop_free(database: Database) -> None:
    async with free_loop(), database.writing() as tx:
        for number in range(3000):
            await tx.execute(insert(note).values(body=f"{number}"))

    assert len(await bodies(database)) == 3000


async def test_a_read_that_is_cancelled_ends_at_once(database: Database) -> None:
    async def read() -> None:
        async with database.reading() as tx:
            await tx.execute(text(FOR_EVER))

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 0.1)

    assert await bodies(database) == []


async def test_a_writer_waits_for_another_process_with_the_loop_free(database: Database) -> None:
    with other_writer(database) as other:
        waiting = asyncio.create_task(write(database, "ours"))
        async with free_loop():
            await asyncio.sleep(0.2)
            assert not waiting.done()
        other.execute("INSERT INTO note (body) VALUES ('theirs')")
        other.execute("COMMIT")
        await waiting

    assert await bodies(database) == ["theirs", "ours"]


async def test_a_writer_whose_patience_ends_tells_that_the_database_is_locked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOCK_PATIENCE_SECONDS", 0.05)

    with other_writer(database), pytest.raises(DBAPIError, match="locked") as locked:
        await write(database, "ours")

    assert is_infrastructure(locked.value)
    await write(database, "later")
    assert await bodies(database) == ["later"]


async def test_a_writer_that_is_cancelled_while_it_waits_leaves_at_once(database: Database) -> None:
    with other_writer(database):
        began = monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(write(database, "ours"), 0.05)
        assert monotonic() - began < 1

    await write(database, "later")
    assert await bodies(database) == ["later"]


async def test_wherever_a_writer_is_cancelled_the_next_one_finds_a_whole_database(database: Database) -> None:
    for turns in range(40):
        task = asyncio.create_task(write(database, f"cancelled {turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await write(database, f"whole {turns}")

    found = await bodies(database)
    assert [body for body in found if body.startswith("whole")] == [f"whole {turns}" for turns in range(40)]
    assert len(found) == len(set(found))


async def test_a_full_disk_is_infrastructure_and_passes(database: Database) -> None:
    async with database.writing() as tx:
        pages = (await tx.execute(text("PRAGMA page_count"))).scalar_one()
        await tx.execute(text(f"PRAGMA max_page_count={pages}"))

    with pytest.raises(DBAPIError, match="full") as full:
        await write(database, "x" * 100_000)

    assert is_infrastructure(full.value)
    async with database.writing() as tx:
        await tx.execute(text("PRAGMA max_page_count=100000"))
    await write(database, "later")
    assert await bodies(database) == ["later"]


async def test_a_broken_constraint_leaves_the_rest_of_the_transaction(database: Database) -> None:
    async def write_and_fail(tx: AsyncConnection) -> None:
        async with tx.begin_nested():
            await tx.execute(insert(note).values(body="two"))
            await tx.execute(insert(note).values(body="one"))

    async with database.writing() as tx:
        await tx.execute(insert(note).values(body="one"))
        with pytest.raises(DBAPIError, match="UNIQUE"):
            await write_and_fail(tx)

    assert await bodies(database) == ["one"]


async def test_errors_never_repeat_what_was_written(database: Database) -> None:
    await write(database, "secret words")

    with pytest.raises(DBAPIError) as error:
        await write(database, "secret words")

    assert "secret" not in str(error.value)


async def test_what_was_inserted_comes_back(database: Database) -> None:
    async with database.writing() as tx:
        returned = (await tx.execute(text("INSERT INTO note (body) VALUES ('a'), ('b') RETURNING id"))).all()
        changed = await tx.execute(text("UPDATE note SET body = body || '!'"))

    assert [row.id for row in returned] == [1, 2]
    assert changed.rowcount == 2


async def test_a_stream_gives_all_rows_and_may_be_left(database: Database) -> None:
    async with database.writing() as tx:
        await tx.execute(insert(note), [{"body": f"{number:05}"} for number in range(3000)])
    wanted = select(note.c.body).order_by(note.c.body)

    async with database.reading() as tx:
        whole = [row.body async for row in await tx.stream(wanted)]
    async with database.reading() as tx:
        first = await anext(aiter(await tx.stream(wanted)))

    assert whole == [f"{number:05}" for number in range(3000)]
    assert first.body == "00000"
    await write(database, "later")


async def test_rows_can_be_taken_in_parts(database: Database) -> None:
    async with database.writing() as tx:
        await tx.execute(insert(note), [{"body": f"{number}"} for number in range(5)])

    async with database.reading() as tx:
        found = await tx.execute(select(note.c.id).order_by(note.c.id))
        parts = [found.fetchone(), found.fetchmany(2), found.fetchall(), found.fetchone()]

    assert parts == [(1,), [(2,), (3,)], [(4,), (5,)], None]


async def test_a_file_in_no_folder_is_infrastructure(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/nowhere/notes.db")

    with pytest.raises(DBAPIError, match="unable to open") as missing:
        async with database.reading() as tx:
            await tx.execute(select(literal(1)))

    assert is_infrastructure(missing.value)
    await database.close()
