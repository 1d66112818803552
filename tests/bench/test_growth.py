"""What is stored grows in every service by cases that are as whole as the first."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.growth import grow
from bench.installations import Installation, Stack
from bench.run import Bench

ADDED = (
    (
        "intake",
        "INSERT INTO feedback VALUES ('f1','app','','x1','2026-11-01','2026-11-01','k','p','c')",
    ),
    ("intake", "INSERT INTO outbox_sequence VALUES ('feedback.received','f1',1)"),
    ("sla", "INSERT INTO sla_case VALUES ('f1','food',1,'p','c','2026-11-02','2026-11-01')"),
    ("desk", "INSERT INTO ticket_clock VALUES ('f1','response',1,'running','2026-11-02',2)"),
    ("analytics", "INSERT INTO case_day VALUES (1,'2026-11-01','f1')"),
)


@pytest.fixture
def installed() -> Iterator[Installation]:
    """Give an installation with one case in it."""
    with Bench().installed(Stack.SMALL) as made:
        for service, statement in ADDED:
            with closing(sqlite3.connect(made.folder / "data" / f"{service}.db")) as connection, connection:
                connection.execute(statement)
        yield made


def _rows(installed: Installation, service: str, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(installed.folder / "data" / f"{service}.db")) as connection:
        return connection.execute(statement).fetchall()


def test_every_case_is_copied_under_an_id_of_its_own(installed: Installation) -> None:
    stored = asyncio.run(grow(installed, times=3))

    assert stored == 3
    ids = [("f1",), ("f1~1",), ("f1~2",)]
    assert _rows(installed, "intake", "SELECT id FROM feedback ORDER BY id") == ids
    assert _rows(installed, "intake", "SELECT key FROM outbox_sequence ORDER BY key") == ids
    assert _rows(installed, "sla", "SELECT id FROM sla_case ORDER BY id") == ids
    assert _rows(installed, "desk", "SELECT ticket_id FROM ticket_clock ORDER BY ticket_id") == ids
    assert _rows(installed, "analytics", "SELECT id FROM case_day ORDER BY id") == ids


def test_once_as_much_is_what_there_was(installed: Installation) -> None:
    assert asyncio.run(grow(installed, times=1)) == 1
