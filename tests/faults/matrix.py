"""The table of faults and invariants, from what runs have written down."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.faults.counter import INVARIANTS

Result = Mapping[str, Any]

_COLUMNS: Final = (*INVARIANTS, "verify")
_HEADS: Final = (
    "fault",
    "stack",
    "runs",
    "commit",
    *_COLUMNS,
    "expected",
    "acknowledged",
    "lost",
    "doubled",
    "reordered",
)
_TIMES: Final = ("recovery s", "accept p99 ms")
_SIGNS: Final = {True: "✓", False: "✗", None: "–"}


def table(results: Path) -> str:
    """Return the table in Markdown: one line per fault and stack, its runs taken together.

    `✓` held in every run, `✗` broken in one, `–` not applicable; `not played` where nothing broke, but a run fell short of
    its fault. Figures are sums, times are the longest, commits all
    that were played on, with `+` where the code was not quite the commit's.
    """
    found = results_in(results)
    if not found:
        return "No run has been written down yet."
    heads = (*_HEADS, *_TIMES)
    lines = [heads, ["---"] * len(heads), *(_line(runs) for runs in _grouped(found))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def results_in(path: Path) -> list[Result]:
    """Return the results written down in a file, none when there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def place(result: Result) -> tuple[int, str, str]:
    """Return where a result stands in the table: faults by number, others after them."""
    name = str(result["scenario"])
    number = "".join(filter(str.isdigit, name.partition("-")[0]))
    return int(number) if name.startswith("F") and number else 99, name, str(result["stack"])


def _grouped(results: Iterable[Result]) -> list[list[Result]]:
    groups = defaultdict[tuple[int, str, str], list[Result]](list)
    for result in results:
        groups[place(result)].append(result)
    return [groups[each] for each in sorted(groups)]


def _line(runs: Sequence[Result]) -> list[str]:
    first = runs[0]
    held = [_SIGNS[_all([run["invariants"].get(name) for run in runs])] for name in _COLUMNS]
    sums = [str(sum(run["figures"].get(name) or 0 for run in runs)) for name in _HEADS[-4:]]
    times = [_longest(runs, "recovery_seconds"), _longest(runs, "accept_p99_ms")]
    return [
        f"{first['scenario']} {first['title']}",
        first["stack"],
        str(len(runs)),
        " ".join(sorted({run.get("commit") or _SIGNS[None] for run in runs})),
        *held,
        _expected(runs),
        *sums,
        *times,
    ]


def _expected(runs: Sequence[Result]) -> str:
    held = _all([each for run in runs for each in run["expectations"].values()])
    if held is not False and any(run.get("not_played") for run in runs):
        return "not played"
    return _SIGNS[held]


def _all(judged: Sequence[bool | None]) -> bool | None:
    """Return False when one does not hold, None when nothing was judged."""
    known = [each for each in judged if each is not None]
    return all(known) if known else None


def _longest(runs: Sequence[Result], name: str) -> str:
    times = [float(run["figures"][name]) for run in runs if run["figures"].get(name) is not None]
    return f"{max(times):.1f}" if times else "–"
