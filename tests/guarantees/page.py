"""Puts tables between the markers of a page, and says which tables the page of guarantees has."""

import re
from collections.abc import Callable, Mapping
from typing import Final

import bench.report
import tests.faults.matrix
import tests.mutants
import tests.security.rows
from tests.faults.counter import INVARIANTS, NOT_APPLICABLE
from tests.support.servers import PROJECT

PAGE: Final = PROJECT / "docs" / "guide" / "guarantees.md"
RESULTS: Final = PROJECT / "docs" / "results"


def _invariants() -> str:
    lines = ["| | invariant |", "|---|---|"]
    for name, what in INVARIANTS.items():
        missing = f" (not built yet: {NOT_APPLICABLE[name]})" if name in NOT_APPLICABLE else ""
        lines.append(f"| {name} | {what}{missing} |")
    return "\n".join(lines)


def _speed() -> str:
    newest = bench.report.newest()
    if newest is None:
        return "Nothing was measured yet: `make bench`."
    figures, about = bench.report.read(newest)
    return bench.report.chapter(figures, about=about)


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "invariants": _invariants,
    "faults": lambda: tests.faults.matrix.table(RESULTS / "faults.jsonl"),
    "mutants": lambda: tests.mutants.table(RESULTS / "mutants.json"),
    "attacks": tests.security.rows.table,
    "speed": _speed,
}
"""What stands between `<!-- name -->` and `<!-- /name -->`."""


def filled(page: str, tables: Mapping[str, Callable[[], str]] = TABLES) -> str:
    """Return the page with every table written anew; raises ValueError when a marker is missing or one too many."""
    marked = re.findall(r"^<!-- ([a-z]+) -->$", page, flags=re.MULTILINE)
    if sorted(marked) != sorted(tables):
        raise ValueError(f"the page marks {sorted(marked)}, and there are tables for {sorted(tables)}")
    for name, table in tables.items():
        block = re.compile(rf"(?<=^<!-- {name} -->\n).*?(?=^<!-- /{name} -->$)", re.MULTILINE | re.DOTALL)
        found = block.search(page)
        if found is None:
            raise ValueError(f"the block {name!r} does not end")
        page = f"{page[: found.start()]}{table().strip()}\n{page[found.end() :]}"
    return page
