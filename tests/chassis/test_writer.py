"""Group commit: every caller gets the answer of its own item, after the commit."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import event, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Database, OneStatement
from huiyin_chassis.errors import WriterClosed, WriterFull
from huiyin_chassis.migrate import upgrade
from huiyin_chassis.writer import MAX_GROUP, GroupWriter
from huiyin_eventbus.failures import is_infrastructure
from tests.chassis.example.app import SERVICE, count_notes
from tests.chassis.example.models import notes


class Recorder:
    """Writes notes and remembers the size of every group it was given."""

    def __init__(self) -> None:
        self.groups: list[int] = []

    async def flush(self, tx: AsyncConnection, items: Sequence[str]) -> Sequence[str]:
        self.groups.append(len(items))
        rows = [
            {"id": item, "body": "x", "likes": 0, "extra": None, "written_at": utc_now()} for item in items
        ]
        await tx.execute(insert(notes), rows)
        return [f"stored {item}" for item in items]


async def written(database: Database) -> int:
    async with database.reading() as tx:
        return await count_notes(tx)


async def test_an_answer_arrives_after_the_commit(database: Database) -> None:
    writer = GroupWriter(database, Recorder().flush)

    answer = await writer.submit("a")

    assert answer == "stored a"
    assert await written(database) == 1


async def test_what_arrives_during_a_commit_is_the_next_group(database: Database) -> None:
    recorder = Recorder()
    writer = GroupWriter(database, recorder.flush)

    answers = await asyncio.gather(*(writer.submit(f"n{number}") for number in range(600)))

    assert answers == [f"stored n{number}" for number in range(600)]
    assert max(recorder.groups) <= MAX_GROUP
    assert len(recorder.groups) <= 4
    assert await written(database) == 600


async def test_one_bad_item_gets_its_error_and_its_neighbours_are_stored(database: Database) -> None:
    writer = GroupWriter(database, Recorder().flush)
    await writer.submit("taken")

    outcomes = await asyncio.gather(
        *(writer.submit(item) for item in ["a", "b", "taken", "c", "d"]), return_exceptions=True
    )

    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == [
        f"stored {item}" for item in "abcd"
    ]
    assert isinstance(outcomes[2], DBAPIError)
    assert await written(database) == 5


async def test_when_the_database_is_out_of_reach_nothing_is_retried_in_halves(database: Database) -> None:
    calls = 0

    async def unreachable(_tx: AsyncConnection, _items: Sequence[str]) -> Sequence[str]:
        nonlocal calls
        calls += 1
        raise ConnectionRefusedError

    writer = GroupWriter(database, unreachable)

    outcomes = await asyncio.gather(*(writer.submit(item) for item in "abcd"), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [ConnectionRefusedError] * 4
    assert calls == 1


async def test_a_commit_that_fails_is_told_to_every_caller_of_its_group(database: Database) -> None:
    def fail(_connection: object) -> None:
        raise RuntimeError("the disk is full")

    writer = GroupWriter(database, Recorder().flush)
    event.listen(database.engine.sync_engine, "commit", fail)

    outcomes = await asyncio.gather(*(writer.submit(item) for item in "abc"), return_exceptions=True)

    event.remove(database.engine.sync_engine, "commit", fail)
    assert [type(outcome) for outcome in outcomes] == [RuntimeError] * 3
    assert await written(database) == 0


async def test_a_full_writer_refuses_at_once(database: Database) -> None:
    writer = GroupWriter(database, Recorder().flush, bound=2)

    outcomes = await asyncio.gather(*(writer.submit(item) for item in "abc"), return_exceptions=True)

    assert isinstance(outcomes[2], WriterFull)
    assert outcomes[:2] == ["stored a", "stored b"]


async def test_closing_answers_what_waits_and_refuses_what_comes(database: Database) -> None:
    writer = GroupWriter(database, Recorder().flush)
    waiting = [asyncio.ensure_future(writer.submit(item)) for item in "ab"]
    await asyncio.sleep(0)

    await writer.close()

    assert [future.result() for future in waiting] == ["stored a", "stored b"]
    with pytest.raises(WriterClosed):
        await writer.submit("late")


async def test_a_caller_that_left_before_its_group_is_not_written(database: Database) -> None:
    writer = GroupWriter(database, Recorder().flush)
    first = asyncio.ensure_future(writer.submit("first"))
    gone = asyncio.ensure_future(writer.submit("gone"))
    await asyncio.sleep(0)
    gone.cancel()

    assert await first == "stored first"

    await writer.close()
    assert await written(database) == 1


async def test_many_items_of_one_caller_are_told_apart(database: Database) -> None:
    recorder = Recorder()
    writer = GroupWriter(database, recorder.flush)
    await writer.submit("taken")

    outcomes = await writer.submit_all(["a", "taken", "b"])

    assert [outcomes[0], outcomes[2]] == ["stored a", "stored b"]
    assert isinstance(outcomes[1], DBAPIError)
    assert await writer.submit_all([]) == []
    assert await written(database) == 3


async def test_many_items_share_a_commit(database: Database) -> None:
    recorder = Recorder()

    outcomes = await GroupWriter(database, recorder.flush).submit_all([f"n{each}" for each in range(100)])

    assert outcomes == [f"stored n{each}" for each in range(100)]
    assert recorder.groups == [100]


async def test_of_many_items_those_without_room_are_refused(database: Database) -> None:
    writer = GroupWriter(database, Recorder().flush, bound=2)

    outcomes = await writer.submit_all("abcd")

    assert outcomes[:2] == ["stored a", "stored b"]
    assert [type(outcome) for outcome in outcomes[2:]] == [WriterFull] * 2


async def test_a_closed_writer_refuses_many_items_one_by_one(database: Database) -> None:
    writer = GroupWriter(database, Recorder().flush)
    await writer.close()

    assert [type(outcome) for outcome in await writer.submit_all("ab")] == [WriterClosed] * 2


async def test_a_caller_of_many_that_left_before_their_group_gets_none_written(database: Database) -> None:
    recorder, may_write = Recorder(), asyncio.Event()

    async def flush_when_told(tx: AsyncConnection, items: Sequence[str]) -> Sequence[str]:
        await may_write.wait()
        return await recorder.flush(tx, items)

    writer = GroupWriter(database, flush_when_told)
    first = asyncio.ensure_future(writer.submit("first"))
    await asyncio.sleep(0)
    gone = asyncio.ensure_future(writer.submit_all("abc"))
    await asyncio.wait([gone], timeout=0.01)

    gone.cancel()
    await asyncio.wait([gone])
    may_write.set()

    assert await first == "stored first"
    await writer.close()
    assert recorder.groups == [1]


async def test_many_items_whose_commit_is_cut_off_are_told_that_the_service_stops(database: Database) -> None:
    async def cut_off(_tx: AsyncConnection, _items: Sequence[str]) -> Sequence[str]:
        raise asyncio.CancelledError

    outcomes = await GroupWriter(database, cut_off).submit_all("ab")

    assert [type(outcome) for outcome in outcomes] == [WriterClosed] * 2


class Quick:
    """Stores notes by one statement, all but those whose id begins with `left`, and then fails as it is told to."""

    STATEMENT = """
        INSERT INTO notes (id, body, likes, written_at) SELECT id, 'x', 0, now() FROM unnest($1::text[]) AS given (id)
        RETURNING id
    """

    def __init__(self, *, failure: Exception | None = None) -> None:
        self.calls = 0
        self._failure = failure

    async def store(self, commit: OneStatement, items: Sequence[str]) -> Sequence[str | None]:
        self.calls += 1
        stored = {
            row[0] for row in await commit(self.STATEMENT, [each for each in items if each[:4] != "left"])
        }
        if self._failure is not None:
            raise self._failure
        return [f"at once {each}" if each in stored else None for each in items]


@pytest.fixture
async def postgresql_database(postgresql_url: str) -> AsyncIterator[Database]:
    opened = Database(postgresql_url)
    await upgrade(opened, SERVICE)
    yield opened
    await opened.close()


async def test_one_statement_stores_what_it_can_and_the_rest_is_flushed(
    postgresql_database: Database,
) -> None:
    recorder = Recorder()
    writer = GroupWriter(postgresql_database, recorder.flush, at_once=Quick().store)

    answers = await asyncio.gather(*(writer.submit(item) for item in ["a", "left-b", "c"]))

    assert answers == ["at once a", "stored left-b", "at once c"]
    assert recorder.groups == [1]
    assert await written(postgresql_database) == 3


async def test_a_statement_that_the_database_refuses_is_flushed_instead(
    postgresql_database: Database,
) -> None:
    writer = GroupWriter(postgresql_database, Recorder().flush, at_once=Quick().store)
    await writer.submit("taken")

    outcomes = await asyncio.gather(
        *(writer.submit(item) for item in ["a", "taken", "b"]), return_exceptions=True
    )

    assert [outcomes[0], outcomes[2]] == ["stored a", "stored b"]
    assert isinstance(outcomes[1], DBAPIError)
    assert await written(postgresql_database) == 3


async def test_an_item_that_no_statement_can_be_made_of_costs_its_neighbours_nothing(
    postgresql_database: Database,
) -> None:
    async def refuse_bad(commit: OneStatement, items: Sequence[str]) -> Sequence[str | None]:
        if "bad" in items:
            raise ValueError("bad")
        return await Quick().store(commit, items)

    writer = GroupWriter(postgresql_database, Recorder().flush, at_once=refuse_bad)

    assert await asyncio.gather(*(writer.submit(item) for item in ["a", "bad"])) == ["stored a", "stored bad"]
    assert await written(postgresql_database) == 2


@pytest.mark.parametrize("failure", [ConnectionResetError(), RuntimeError()])
async def test_what_may_be_stored_already_is_not_flushed(
    postgresql_database: Database, failure: Exception
) -> None:
    recorder = Recorder()
    writer = GroupWriter(postgresql_database, recorder.flush, at_once=Quick(failure=failure).store)

    outcomes = await asyncio.gather(*(writer.submit(item) for item in "ab"), return_exceptions=True)

    assert outcomes == [failure, failure]
    assert recorder.groups == []


async def test_after_a_failure_the_next_group_is_stored_at_once_again(postgresql_database: Database) -> None:
    async def end_its_own_connection(commit: OneStatement, items: Sequence[str]) -> Sequence[str | None]:
        if "fatal" in items:
            await commit("SELECT pg_terminate_backend(pg_backend_pid())")
        return await Quick().store(commit, items)

    writer = GroupWriter(postgresql_database, Recorder().flush, at_once=end_its_own_connection)
    [cut_off] = await asyncio.gather(writer.submit("fatal"), return_exceptions=True)

    assert isinstance(cut_off, Exception)
    assert is_infrastructure(cut_off)
    assert await writer.submit("a") == "at once a"


async def test_an_unreachable_database_is_told_to_all_and_asked_once() -> None:
    quick = Quick()
    nowhere = Database("postgresql://nobody@127.0.0.1:1/none")
    writer = GroupWriter(nowhere, Recorder().flush, at_once=quick.store)

    outcomes = await asyncio.gather(*(writer.submit(item) for item in "ab"), return_exceptions=True)

    assert all(isinstance(each, OSError) for each in outcomes)
    assert quick.calls == 0


async def test_a_cancelled_writer_answers_nobody(postgresql_database: Database) -> None:
    async def cut_off(_commit: OneStatement, _items: Sequence[str]) -> Sequence[str | None]:
        raise asyncio.CancelledError

    outcomes = await GroupWriter(postgresql_database, Recorder().flush, at_once=cut_off).submit_all("ab")

    assert [type(outcome) for outcome in outcomes] == [WriterClosed] * 2
