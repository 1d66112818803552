"""Rows of one INSERT several at a time."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from huiyin_chassis.sqlite_inserts import MOST_ROWS, _insert_of, execute_many

INSERT = "INSERT INTO place (id, name) VALUES (?, ?)"


@pytest.fixture
def cursor() -> Iterator[sqlite3.Cursor]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE place (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        yield connection.cursor()


def places(cursor: sqlite3.Cursor) -> list[tuple[int, str]]:
    return cursor.execute("SELECT id, name FROM place ORDER BY rowid").fetchall()


@pytest.mark.parametrize("rows", [1, 2, 3, MOST_ROWS - 1, MOST_ROWS, 3 * MOST_ROWS + 7])
def test_every_row_is_inserted_once_whatever_their_number(cursor: sqlite3.Cursor, rows: int) -> None:
    given = [(n, f"place {n}") for n in range(rows)]

    changed = execute_many(cursor, INSERT, given)

    assert changed == rows
    assert places(cursor) == given


def test_the_end_of_the_statement_holds_for_every_row(cursor: sqlite3.Cursor) -> None:
    cursor.execute(INSERT, (3, "old"))
    doing_nothing = f"{INSERT} ON CONFLICT (id) DO NOTHING"
    renaming = f"{INSERT} ON CONFLICT (id) DO UPDATE SET name = excluded.name"

    assert execute_many(cursor, doing_nothing, [(n, "new") for n in range(5)]) == 4
    assert places(cursor)[3] == (3, "old")

    assert execute_many(cursor, renaming, [(n, f"newer {n}") for n in range(6)]) == 6
    assert places(cursor) == [(n, f"newer {n}") for n in range(6)]


def test_rows_take_effect_in_the_order_given(cursor: sqlite3.Cursor) -> None:
    renaming = f"{INSERT} ON CONFLICT (id) DO UPDATE SET name = excluded.name"

    execute_many(cursor, renaming, [(1, str(n)) for n in range(40)])

    assert places(cursor) == [(1, "39")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE place SET name = ? WHERE id = ?",
        "INSERT INTO place (name, id) SELECT ?, ?",
        "INSERT INTO place (name, id) VALUES (upper(?), ?)",
        "INSERT INTO place (name, id) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name || '?'",
    ],
)
def test_other_statements_are_left_to_the_driver(cursor: sqlite3.Cursor, statement: str) -> None:
    assert _insert_of(statement) is None

    cursor.executemany(INSERT, [(1, "a"), (2, "b")])
    execute_many(cursor, statement, [("x", 1), ("y", 2)] if "UPDATE" in statement else [("x", 3), ("y", 4)])

    assert [name for _, name in places(cursor)][-2:] != ["a", "b"]


def test_a_row_that_breaks_a_constraint_raises(cursor: sqlite3.Cursor) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        execute_many(cursor, INSERT, [(1, "a"), (2, None), (3, "c")])
