"""What a test does to the outboxes of a running suite from outside, by triggers in the services' own databases.

So the relays that run are the real ones, and yet publish everything twice, or some topics late, or events as a newer
version of a service would have written them.
"""

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Final

import asyncpg

from tests.faults.stack import Stack

_COLUMNS: Final = "id, topic, key, shard, headers, payload, created_at"
_OLD: Final = ", ".join(f"OLD.{column}" for column in _COLUMNS.split(", "))
_NEW: Final = ", ".join(f"NEW.{column}" for column in _COLUMNS.split(", "))
_LOCKED_SECONDS: Final = 30
NEWER: Final = "1.9"
"""A minor version that is still to come."""


def run_sql(stack: Stack, service: str, statements: Sequence[str]) -> None:
    """Run statements in one transaction on a service's database, beside the service."""
    place = stack.connections()[service]
    if stack.postgresql is not None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: asyncio.run(_run_on_postgresql(place, statements))).result()
        return
    with closing(sqlite3.connect(place, timeout=_LOCKED_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")


async def _run_on_postgresql(url: str, statements: Sequence[str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        # One view for all statements: what comes between moving rows and deleting them must not be deleted.
        async with connection.transaction(isolation="repeatable_read"):
            for statement in statements:
                await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def published_twice(stack: Stack, services: Iterable[str]) -> Iterator[None]:
    """Have the relays of services publish every event once more after they have deleted it."""
    chosen = list(services)
    for service in chosen:
        _trigger(stack, service, name="publish_again", when="AFTER DELETE", body=_publish_again(stack))
    try:
        yield
    finally:
        for service in chosen:
            _untrigger(stack, service, name="publish_again")


class Held:
    """Events of some topics that do not reach their outbox until they are let go, each case in its order."""

    def __init__(self, stack: Stack, service: str, topics: Iterable[str], *, name: str) -> None:
        self._stack = stack
        self._service = service
        self._name = name
        self._move = (
            f"INSERT INTO outbox ({_COLUMNS}) SELECT {_COLUMNS} FROM {name} ORDER BY seq",  # noqa: S608  # ours
            f"DELETE FROM {name}",  # noqa: S608
        )
        self._topics = ", ".join(f"'{topic}'" for topic in topics)

    def begin(self) -> None:
        """Hold what comes from now on."""
        empty = f"CREATE TABLE {self._name} AS SELECT * FROM outbox WHERE 1 = 0"  # noqa: S608  # ours
        run_sql(self._stack, self._service, [empty])
        self._hold()

    def let_go(self) -> None:
        """Put what was held into the outbox; what comes meanwhile and later is held too."""
        if self._stack.postgresql is not None:
            passing = ["SET LOCAL huiyin.passing = 'on'"]
            run_sql(self._stack, self._service, [*passing, *self._move])
            return
        # The one writer's transaction: nobody else sees the outbox without its trigger.
        run_sql(
            self._stack, self._service, [f"DROP TRIGGER {self._name}", *self._move, self._trigger_of_sqlite()]
        )

    def end(self) -> None:
        """Let everything go and hold nothing more."""
        _untrigger(self._stack, self._service, name=self._name)
        run_sql(self._stack, self._service, [*self._move, f"DROP TABLE {self._name}"])

    def _hold(self) -> None:
        if self._stack.postgresql is None:
            run_sql(self._stack, self._service, [self._trigger_of_sqlite()])
            return
        body = (
            "IF current_setting('huiyin.passing', true) IS NOT DISTINCT FROM 'on' OR NEW.topic NOT IN"  # noqa: S608  # ours
            f" ({self._topics}) THEN RETURN NEW; END IF; INSERT INTO {self._name} (seq, {_COLUMNS})"
            f" VALUES (NEW.seq, {_NEW}); RETURN NULL;"
        )
        _trigger(self._stack, self._service, name=self._name, when="BEFORE INSERT", body=body)

    def _trigger_of_sqlite(self) -> str:
        return (
            f"CREATE TRIGGER {self._name} AFTER INSERT ON outbox WHEN NEW.topic IN ({self._topics}) BEGIN"  # noqa: S608  # ours
            f" INSERT INTO {self._name} (seq, {_COLUMNS}) VALUES (NEW.seq, {_NEW});"
            " DELETE FROM outbox WHERE seq = NEW.seq; END"
        )


@contextmanager
def held(stack: Stack, service: str, *topics: str, name: str = "held") -> Iterator[Held]:
    """Hold the events of some topics of a service; at the end all are let go. Those of one service need other names."""
    holding = Held(stack, service, topics, name=name)
    holding.begin()
    try:
        yield holding
    finally:
        holding.end()


@contextmanager
def written_as_newer(stack: Stack, services: Iterable[str]) -> Iterator[None]:
    """Have services write events as a later minor version would: with fields that nobody here knows."""
    added = '{"added_later": {"words": ["未来"], "count": 7}}'
    headers = f"""replace(NEW.headers, '/1.0"]', '/{NEWER}"]')"""
    chosen = list(services)
    for service in chosen:
        if stack.postgresql is None:
            payload = f"CAST(json_patch(CAST(NEW.payload AS TEXT), '{added}') AS BLOB)"
            body = f"UPDATE outbox SET payload = {payload}, headers = {headers} WHERE seq = NEW.seq;"  # noqa: S608  # ours
            _trigger(stack, service, name="rewrite", when="AFTER INSERT", body=body)
        else:
            payload = f"(convert_from(NEW.payload, 'UTF8')::jsonb || '{added}'::jsonb)::text"
            body = f"NEW.payload := convert_to({payload}, 'UTF8'); NEW.headers := {headers}; RETURN NEW;"
            _trigger(stack, service, name="rewrite", when="BEFORE INSERT", body=body)
    try:
        yield
    finally:
        for service in chosen:
            _untrigger(stack, service, name="rewrite")


def _publish_again(stack: Stack) -> str:
    is_first = "NOT EXISTS (SELECT 1 FROM published_once WHERE id = OLD.id AND headers = OLD.headers)"
    again = (
        f"INSERT INTO outbox ({_COLUMNS}) SELECT {_OLD} WHERE {is_first};"
        f" INSERT INTO published_once SELECT OLD.id, OLD.headers WHERE {is_first};"
    )
    return again if stack.postgresql is None else f"{again} RETURN NULL;"


def _trigger(stack: Stack, service: str, *, name: str, when: str, body: str) -> None:
    once = ["CREATE TABLE IF NOT EXISTS published_once (id TEXT NOT NULL, headers TEXT NOT NULL)"]
    if stack.postgresql is None:
        run_sql(stack, service, [*once, f"CREATE TRIGGER {name} {when} ON outbox BEGIN {body} END"])
        return
    function = (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    )
    trigger = f"CREATE TRIGGER {name} {when} ON outbox FOR EACH ROW EXECUTE FUNCTION {name}()"
    run_sql(stack, service, [*once, function, trigger])


def _untrigger(stack: Stack, service: str, *, name: str) -> None:
    run_sql(stack, service, [f"DROP TRIGGER {name}" + (" ON outbox" if stack.postgresql else "")])
