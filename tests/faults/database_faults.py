"""F4: databases that stop, die, fail over, take no writes, drop their connections, or are locked by somebody else."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus

from tests.faults.caller import Caller
from tests.faults.history import ACCEPTED
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import ADMIN_KEY, SERVICES, Stack, eventually
from tests.support.postgresql import PostgreSQL

# Longer than PostgreSQL's lock time, which is ten seconds.
_LOCKED_SECONDS = 12.0
# Longer than two writers wait one after the other, each for its ten seconds: a post may stand behind the relay.
_LOCKED_SQLITE_SECONDS = 25.0
_RESETS = 5
_DEADLOCKS = 3
_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"


def _database_down(stage: Stage) -> None:
    """Take every service's database away in each way there is; each time it must come back without a restart."""
    for name, outage in _outages(stage):
        stage.stack.history.fault("database_down", how=name)
        began = datetime.now(UTC)
        outage()
        stage.stack.history.fault("database_up", how=name)
        stage.recovered(_until_ready(stage.stack))
        stage.recovered(stage.stack.passes_through())
        _judge_refusals(stage, since=began)


def _outages(stage: Stage) -> Iterator[tuple[str, Callable[[], None]]]:
    server = stage.stack.postgresql
    if server is None:
        # One writer at a time: nobody to be deadlocked with, no connection to be reset, nothing to fail over to.
        yield "locked", lambda: _locked_sqlite(stage)
        return
    yield "stopped", lambda: _gone(stage, server.stop, back=server.start)
    yield "killed", lambda: _gone(stage, server.kill, back=server.start)
    yield "connections reset", lambda: _reset(stage, server)
    yield "locked", lambda: _locked_postgresql(server)
    yield "deadlocked", lambda: _deadlocked(stage, server)
    yield "read-only", lambda: _read_only(stage, server)
    yield "failed over", lambda: _failed_over(stage, server)


def _gone(stage: Stage, take: Callable[[], None], *, back: Callable[[], None]) -> None:
    take()
    _watch_outage(stage, seconds=stage.seconds / 3)
    back()


def _failed_over(stage: Stage, server: PostgreSQL) -> None:
    """Let a standby that has seen every commit take the address of the server that died."""
    standby = server.add_standby()
    _gone(stage, server.kill, back=lambda: server.fail_over(standby))


def _reset(stage: Stage, server: PostgreSQL) -> None:
    for _ in range(_RESETS * stage.terms.rounds):
        server.psql(_TERMINATE)
        time.sleep(stage.dice.random())


def _locked_postgresql(server: PostgreSQL) -> None:
    lock = f"BEGIN; LOCK TABLE feedback; SELECT pg_sleep({_LOCKED_SECONDS}); COMMIT"
    server.psql(lock, database="intake")


def _deadlocked(stage: Stage, server: PostgreSQL) -> None:
    """Take the tables of a post in the other order than intake does; PostgreSQL gives up one of the two."""
    # Shorter than PostgreSQL waits before it looks for a deadlock, so that it is intake that looks first.
    across = (
        "BEGIN; LOCK TABLE outbox; SELECT pg_sleep(0.5); LOCK TABLE feedback; SELECT pg_sleep(0.1); COMMIT"
    )
    for _ in range(_DEADLOCKS * stage.terms.rounds):
        with suppress(RuntimeError):
            server.psql(across, database="intake")
        time.sleep(stage.dice.random())
    seen = int(server.psql("SELECT deadlocks FROM pg_stat_database WHERE datname = 'intake'"))
    stage.figures["deadlocks"] = seen
    stage.expect("there were deadlocks", holds=seen > 0)


def _read_only(stage: Stage, server: PostgreSQL) -> None:
    """Let the server refuse every write, as a standby does that nobody has promoted yet."""
    server.psql("ALTER SYSTEM SET default_transaction_read_only = on")
    server.psql("SELECT pg_reload_conf()")
    _watch_outage(stage, seconds=stage.seconds / 3)
    server.psql("ALTER SYSTEM RESET default_transaction_read_only")
    server.psql("SELECT pg_reload_conf()")


def _locked_sqlite(stage: Stage) -> None:
    seconds = max(_LOCKED_SQLITE_SECONDS, stage.seconds)
    with ExitStack() as locks:
        for service in SERVICES:
            locks.enter_context(_lock(stage.stack, service))
        _watch_outage(stage, seconds=seconds)


@contextmanager
def _lock(stack: Stack, service: str) -> Iterator[None]:
    """Hold the write lock of a SQLite file, as a backup tool gone wrong would."""
    connection = sqlite3.connect(stack.database_file(service), isolation_level=None, timeout=20)
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _watch_outage(stage: Stage, *, seconds: float) -> None:
    """Wait, and see that the service says it lives and is not ready."""
    time.sleep(seconds * 0.75)
    with Caller(stage.stack.address("intake"), ADMIN_KEY) as caller:
        stage.expect("intake lives", holds=caller.get("/livez").status == HTTPStatus.OK)
        ready = caller.get("/readyz").status
    stage.expect("intake says it is not ready", holds=ready == HTTPStatus.SERVICE_UNAVAILABLE)
    time.sleep(seconds * 0.25)


def _until_ready(stack: Stack) -> float:
    """Return once every service is ready, and tell how many seconds that took."""

    def are_ready() -> bool:
        return all(stack.is_ready(service) for service in SERVICES)

    return eventually(are_ready, within_seconds=60)


def _judge_refusals(stage: Stage, *, since: datetime) -> None:
    failed = [line for line in stage.answers_since(since) if line["status"] not in {ACCEPTED, 422}]
    stage.expect("refusals are 503", holds=all(line["status"] == 503 for line in failed))
    stage.expect("refusals say when to try again", holds=all(line["retry_after"] for line in failed))
    stage.figures["refused"] = stage.figures.get("refused", 0) + len(failed)


F4 = Scenario(
    "F4",
    "the databases are down, failed over, read-only, reset, locked or deadlocked",
    _database_down,
    long=(Terms(outage_seconds=60, rate=40, rounds=5, rest_seconds=600),),
)
