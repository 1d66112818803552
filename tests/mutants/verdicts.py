"""Verdicts as JSON and as the Markdown table of the guide."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.mutants.trial import Verdict
from tests.support.servers import PROJECT

RESULTS: Final = PROJECT / "docs" / "results" / "mutants.json"
_HEAD: Final = "| planted bug | what is wrong | noticed by | seconds |\n|---|---|---|---:|\n"


def table(results: Path = RESULTS) -> str:
    """Return the verdicts stored in a file as a Markdown table, or a line that says there are none."""
    if not results.exists():
        return "No planted bug was tried yet: `make mutants`.\n"
    return rows(load_verdicts(results))


def rows(verdicts: Sequence[Verdict]) -> str:
    """Return verdicts as a Markdown table, one row per planted bug."""
    return _HEAD + "".join(f"{_row(each)}\n" for each in verdicts)


def store_verdicts(verdicts: Sequence[Verdict], file: Path) -> None:
    """Write verdicts as JSON."""
    told = {"mutants": [{**asdict(each), "seconds": round(each.seconds, 1)} for each in verdicts]}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def load_verdicts(file: Path) -> list[Verdict]:
    """Read what `store_verdicts` wrote."""
    told = json.loads(file.read_text(encoding="utf-8"))["mutants"]
    return [
        Verdict(**{**each, "noticed_by": tuple(each["noticed_by"]), "missed_by": tuple(each["missed_by"])})
        for each in told
    ]


def _row(verdict: Verdict) -> str:
    missed = [f"**not by** {each}" for each in _named(verdict.missed_by)]
    noticed = "<br>".join([*_named(verdict.noticed_by), *missed])
    return f"| {verdict.name.replace('_', ' ')} | {verdict.title} | {noticed} | {verdict.seconds:.0f} |"


def _named(tests: Sequence[str]) -> list[str]:
    """Return each test once, with the servers it ran on behind it."""
    servers: dict[str, list[str]] = {}
    for test in tests:
        name, _, server = test.partition("[")
        servers.setdefault(name.removeprefix("tests/"), []).append(server.removesuffix("]"))
    return [f"`{name}` {', '.join(filter(None, ran_on))}".rstrip() for name, ran_on in servers.items()]
