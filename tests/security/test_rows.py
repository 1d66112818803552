"""The table of attacks says what is tried, no more and no less."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.security import rows
from tests.support.suite import REPOSITORY

FOLDER = Path(__file__).parent
OTHERS = {"test_rows.py"}
NAMED = [name for row in rows.ROWS for name in row.tests]


def names_in(module: Path) -> set[str]:
    """Return the names of the tests in a module."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    functions = (each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return {each.name for each in functions if each.name.startswith("test_")}


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_a_row_names_exists(name: str) -> None:
    path, _, test = rows.path_of(name).partition("::")

    assert test in names_in(REPOSITORY / path)


def test_every_test_here_belongs_to_one_row() -> None:
    here = {
        f"{module.stem.removeprefix('test_')}::{test}"
        for module in FOLDER.glob("test_*.py")
        if module.name not in OTHERS
        for test in names_in(module)
    }

    counted = Counter(name for name in NAMED if "/" not in name)
    assert here == set(counted)
    assert [name for name, times in counted.items() if times > 1] == []


def test_a_row_is_tried_or_says_what_it_waits_for() -> None:
    assert [row.attack for row in rows.ROWS if bool(row.tests) == bool(row.comes_with)] == []


def test_the_table_has_a_line_for_every_row() -> None:
    told = rows.table()

    assert all(row.attack in told for row in rows.ROWS)
    assert told.count("\n| ") == 1 + sum(bool(row.tests) for row in rows.ROWS) - 1
