"""A reader's database is restored from an older backup and reads the log on from there."""

import sqlite3
import time
from contextlib import closing

from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import Stack

SERVICE = "analytics"
"""It owns nothing but what it has read, so that nothing is lost: whatever the backup lacks is in the log."""
BACKUP = "analytics_backup"


def _restored(stage: Stage) -> None:
    stack = stage.stack
    _back_up(stack)
    time.sleep(stage.seconds)
    read_before = _taken(stack)
    stack.processes[SERVICE].kill()
    _restore(stack)
    in_backup = _taken(stack)
    stage.recovered(stack.processes[SERVICE].start())
    stage.figures |= {"read_before": read_before, "in_backup": in_backup}
    stage.expect("the backup is older than what was lost", holds=in_backup < read_before)


def _back_up(stack: Stack) -> None:
    """Copy the database: SQLite while it is in use, PostgreSQL between two runs of its service."""
    if stack.postgresql is None:
        copy = stack.folder / f"{BACKUP}.db"
        copy.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(stack.database_file(SERVICE))) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        return
    stack.processes[SERVICE].end()
    stack.postgresql.psql(f"DROP DATABASE IF EXISTS {BACKUP} WITH (FORCE)")
    stack.postgresql.psql(f"CREATE DATABASE {BACKUP} TEMPLATE {SERVICE}")
    stack.processes[SERVICE].start()


def _restore(stack: Stack) -> None:
    if stack.postgresql is None:
        place = stack.database_file(SERVICE)
        for leftover in place.parent.glob(f"{place.name}-*"):
            leftover.unlink()
        (stack.folder / f"{BACKUP}.db").replace(place)
        return
    stack.postgresql.psql(f"DROP DATABASE {SERVICE} WITH (FORCE)")
    stack.postgresql.psql(f"ALTER DATABASE {BACKUP} RENAME TO {SERVICE}")


def _taken(stack: Stack) -> int:
    return int(stack.rows(SERVICE, "SELECT count(*) FROM inbox")[0][0])


F16 = Scenario(
    "F16",
    "a reader's database is restored from an old backup and catches up from the log",
    _restored,
    short=Terms(outage_seconds=8),
    long=(Terms(outage_seconds=3600, rate=10, rest_seconds=1800),),
)
