"""The two doors of a database: transactions, locks and moments in time."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import event, insert, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from huiyin_chassis.db import Database
from huiyin_chassis.migrate import upgrade
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.settings import Settings
from huiyin_contracts.people import UnitChanged
from huiyin_eventbus.failures import is_infrastructure
from huiyin_eventbus.outbox import append
from tests.chassis.example.app import SERVICE, count_notes, router, write_note
from tests.chassis.example.models import notes

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
UNIT = UnitChanged(unit_id="u", slug="u", kind="team", names={}, revision=1, changed_at=NOON)


async def count(database: Database) -> int:
    async with database.reading() as tx:
        return await count_notes(tx)


async def test_a_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.writing() as tx:
            await write_note(tx, "a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await write_and_fail()

    assert await count(database) == 0


async def test_ddl_is_rolled_back_like_everything_else(database: Database) -> None:
    async def create_and_fail() -> None:
        async with database.writing() as tx:
            await tx.execute(text("CREATE TABLE stray (id INTEGER)"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await create_and_fail()

    async with database.writing() as tx:
        await tx.execute(text("CREATE TABLE stray (id INTEGER)"))


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with database.reading() as tx:
            await write_note(tx, "a")

    assert await count(database) == 0


async def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    async with database.writing() as tx:
        await write_note(tx, "a")

        assert await asyncio.wait_for(count(database), 2) == 0


async def test_writers_take_turns_and_none_fails(database: Database) -> None:
    async def add_like() -> None:
        async with database.writing() as tx:
            row = select(notes.c.likes).where(notes.c.id == "a").with_for_update()
            likes = (await tx.execute(row)).scalar_one()
            await tx.execute(notes.update().where(notes.c.id == "a").values(likes=likes + 1))

    async with database.writing() as tx:
        await write_note(tx, "a")

    await asyncio.gather(*(add_like() for _ in range(20)))

    async with database.reading() as tx:
        assert (await tx.execute(select(notes.c.likes))).scalar_one() == 20


async def test_two_processes_on_one_sqlite_file_wait_for_each_other(database: Database) -> None:
    other = Database(database.url.render_as_string(hide_password=False))

    async def write(to: Database, note_id: str) -> None:
        async with to.writing() as tx:
            await count_notes(tx)
            await write_note(tx, note_id)

    await asyncio.gather(
        *(write(to, f"{name}{n}") for n in range(10) for name, to in [("a", database), ("b", other)])
    )

    assert await count(other) == 20
    await other.close()


async def append_and_fail(database: Database) -> None:
    with suppress(ZeroDivisionError):
        async with database.writing() as tx:
            await append(tx, UNIT)
            _ = 1 / 0


async def test_commits_that_appended_events_call_back_and_others_do_not(database: Database) -> None:
    calls: list[str] = []
    database.on_news(lambda: calls.append("news"))

    async with database.writing() as tx:
        await append(tx, UNIT)
    async with database.writing() as tx:
        await write_note(tx, "a")
    await append_and_fail(database)
    async with database.writing() as tx:
        await write_note(tx, "b")

    assert calls == ["news"]


async def test_moments_come_back_aware_in_utc_and_sort_by_time(database: Database) -> None:
    shanghai = timezone(timedelta(hours=8))
    moments = [NOON, NOON + timedelta(microseconds=1), (NOON + timedelta(hours=1)).astimezone(shanghai)]
    async with database.writing() as tx:
        for number, moment in enumerate(moments):
            await tx.execute(insert(notes).values(id=str(number), body="", likes=0, written_at=moment))

    async with database.reading() as tx:
        later = select(notes.c.written_at).where(notes.c.written_at > NOON).order_by(notes.c.written_at)
        found = (await tx.execute(later)).scalars().all()

    assert found == moments[1:]
    assert [moment.utcoffset() for moment in found] == [timedelta(0)] * 2


async def test_a_naive_datetime_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="naive"):
        async with database.writing() as tx:
            await tx.execute(
                insert(notes).values(id="a", body="", likes=0, written_at=NOON.replace(tzinfo=None))
            )


async def test_sqlite_is_durable_and_checks_references(tmp_path: object) -> None:
    database = Database(f"sqlite:///{tmp_path}/pragmas.db")

    async with database.writing() as tx:
        found = {
            name: (await tx.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    await database.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:1/none", "postgresql://nobody@/none?host=/nowhere"]
)
async def test_a_server_that_is_not_there_is_infrastructure(url: str) -> None:
    database = Database(url)

    with pytest.raises(OSError) as refused:  # noqa: PT011 - how it is said is the system's
        async with database.writing():
            pass

    await database.close()
    assert is_infrastructure(refused.value)


async def test_connections_that_the_server_has_closed_are_replaced_before_anyone_gets_them(
    postgresql_url: str,
) -> None:
    database, other = Database(postgresql_url), Database(postgresql_url)
    await upgrade(database, SERVICE)
    async with database.writing() as one, database.writing() as two:
        drivers = [(await each.get_raw_connection()).driver_connection for each in (one, two)]

    async with other.reading() as tx:
        of_others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(:pids)"
        await tx.execute(text(of_others), {"pids": [driver.get_server_pid() for driver in drivers if driver]})
    async with asyncio.timeout(5):
        while not all(driver and driver.is_closed() for driver in drivers):
            await asyncio.sleep(0.01)

    async with database.writing() as one, database.writing() as two:
        await write_note(one, "a")
        await write_note(two, "b")
    assert await count(database) == 2
    await database.close()
    await other.close()


async def test_a_wrong_statement_does_not_count_as_out_of_reach(database: Database) -> None:
    with pytest.raises(DBAPIError) as wrong:
        async with database.reading() as tx:
            await tx.execute(text("SELECT nothing FROM nowhere"))

    assert not is_infrastructure(wrong.value)


@pytest.mark.parametrize(
    ("limit", "statement"),
    [("lock_timeout", "LOCK TABLE notes"), ("statement_timeout", "SELECT pg_sleep(5)")],
)
async def test_what_ran_out_of_time_is_not_to_blame(postgresql_url: str, limit: str, statement: str) -> None:
    database = Database(postgresql_url)
    await upgrade(database, SERVICE)

    async with database.writing() as other, database.writing() as tx:
        await other.execute(text("LOCK TABLE notes"))
        await tx.execute(text(f"SET LOCAL {limit} = '50ms'"))
        with pytest.raises(DBAPIError) as late:
            await tx.execute(text(statement))
        await tx.rollback()

    await database.close()
    assert is_infrastructure(late.value)


@pytest.fixture
def client(database: Database) -> AsyncClient:
    app = FastAPI()
    app.include_router(router)
    app.state.runtime = Runtime(SERVICE, Settings(), database=database)
    return AsyncClient(transport=ASGITransport(app, raise_app_exceptions=False), base_url="http://test")


async def test_a_commit_that_fails_is_never_answered_with_success(
    database: Database, client: AsyncClient
) -> None:
    def fail(_connection: object) -> None:
        raise RuntimeError("the disk is full")

    event.listen(database.engine.sync_engine, "commit", fail)

    async with client:
        answer = await client.post("/v1/notes/a")

    event.remove(database.engine.sync_engine, "commit", fail)
    assert answer.status_code == 500
    assert await count(database) == 0


async def test_a_request_commits_before_its_answer_and_a_refused_one_stores_nothing(
    database: Database, client: AsyncClient
) -> None:
    async with client:
        stored = await client.post("/v1/notes/a")
        refused = await client.post("/v1/notes/refused")

        assert (stored.status_code, refused.status_code) == (201, 409)
        assert (await client.get("/v1/notes")).json()["count"] == 1


async def test_a_statement_committed_at_once_is_there_and_wakes_the_relay_when_it_gave_rows(
    postgresql_url: str,
) -> None:
    database, news = Database(postgresql_url), []
    database.on_news(lambda: news.append(1))

    async with database.at_once() as commit:
        await commit("CREATE TABLE kept (id text)")
        assert news == []
        assert [tuple(row) for row in await commit("INSERT INTO kept VALUES ($1) RETURNING id", "a")] == [
            ("a",)
        ]
        assert news == [1]
        async with database.reading() as tx:
            assert (await tx.execute(text("SELECT id FROM kept"))).scalar_one() == "a"

    await database.close()


async def test_a_connection_that_the_database_has_ended_is_no_fault_of_the_statement(
    postgresql_url: str,
) -> None:
    database = Database(postgresql_url)

    async with database.at_once() as commit:
        with suppress(Exception):
            await commit("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(ConnectionAbortedError):
            await commit("SELECT 1")

    await database.close()


async def test_a_driver_in_no_state_to_go_on_is_no_fault_of_the_statement(postgresql_url: str) -> None:
    database = Database(postgresql_url)

    async with database.at_once() as commit:
        outcomes = await asyncio.gather(commit("SELECT 1"), commit("SELECT 2"), return_exceptions=True)
        assert ConnectionAbortedError in map(type, outcomes)
    async with database.at_once() as commit:
        assert [tuple(row) for row in await commit("SELECT 3")] == [(3,)]

    await database.close()
