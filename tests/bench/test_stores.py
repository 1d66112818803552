"""Looking into the services' databases from outside."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.stores import SqliteStores, await_published, progress

TABLES = """
CREATE TABLE outbox (seq integer PRIMARY KEY);
CREATE TABLE consumer_offset (topic text, part integer, next_offset integer);
"""


@pytest.fixture
def stores(tmp_path: Path) -> SqliteStores:
    """Give the stores of an installation with one service, `desk`."""
    with closing(sqlite3.connect(tmp_path / "desk.db")) as connection:
        connection.executescript(TABLES)
        connection.executemany(
            "INSERT INTO consumer_offset VALUES (?, ?, ?)", [("ticket.routed", 0, 5), ("ticket.routed", 1, 7)]
        )
        connection.commit()
    return SqliteStores(tmp_path)


def test_progress_is_all_that_was_taken_from_all_partitions(stores: SqliteStores) -> None:
    assert progress(stores, "desk") == 12


def test_an_empty_outbox_is_published(stores: SqliteStores) -> None:
    await_published(stores, "desk")


def test_looking_never_writes(stores: SqliteStores) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        stores.rows("desk", "INSERT INTO outbox VALUES (1)")


def test_a_service_without_a_database_is_not_made_one(stores: SqliteStores, tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        stores.rows("router", "SELECT 1")

    assert not (tmp_path / "router.db").exists()
