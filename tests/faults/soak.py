"""`python -m tests.faults.soak`: every scenario long, on both stacks, with several seeds, and hours of F18 at the end.

Each run is one line in the file of results, of which the guide's table is made. Lines of what is run again are replaced.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.faults.endurance import F18, endure
from tests.faults.events import EVENTS
from tests.faults.infrastructure import INFRASTRUCTURE
from tests.faults.matrix import place, results_in
from tests.faults.revision import revision
from tests.faults.scenario import RESULTS, WRITTEN, Result, Scenario, Terms, run
from tests.faults.stack import KINDS, Kind
from tests.support.servers import PROJECT, ServerUnavailable

SCENARIOS: Final[tuple[Scenario, ...]] = (*INFRASTRUCTURE, *EVENTS)
WRITTEN_TO: Final = PROJECT / "docs" / "results" / "faults.jsonl"

_HOUR: Final = 3600

Line = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Play what is asked for; return 1 when something was found wrong, else 0."""
    asked = _parser().parse_args(arguments)
    all_ok = True
    for scenario, kind in _chosen(asked.scenario, asked.stack):
        with tempfile.TemporaryDirectory(prefix=f"soak-{scenario.id}-") as folder:
            for lines in _played(scenario, kind, folder=Path(folder), asked=asked):
                # After every run: what was seen is kept when the rest is broken off.
                _put(lines, asked.results)
                all_ok &= all(line["ok"] for line in lines)
    return 0 if all_ok else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    names = sorted({scenario.id for scenario in (*SCENARIOS, F18)})
    parser.add_argument("--scenario", action="append", choices=names, help="this one alone; may be repeated")
    parser.add_argument("--stack", choices=KINDS, help="on this stack alone")
    parser.add_argument("--seeds", type=int, default=3, help="how many runs of each (default 3)")
    parser.add_argument(
        "--hours", type=float, default=2.0, help="how long F18 lasts (default 2, 0 leaves it out)"
    )
    parser.add_argument("--short", action="store_true", help="as short as in CI")
    parser.add_argument("--results", type=Path, default=WRITTEN_TO, help="the file of results")
    return parser


def _chosen(names: Sequence[str] | None, only: Kind | None) -> Iterator[tuple[Scenario, Kind]]:
    for scenario in (*SCENARIOS, F18):
        for kind in scenario.stacks:
            if (names is None or scenario.id in names) and only in {None, kind}:
                yield scenario, kind


def _played(
    scenario: Scenario, kind: Kind, *, folder: Path, asked: argparse.Namespace
) -> Iterator[Sequence[Line]]:
    """Play a scenario on a stack as often as asked; give all that is written down, failures to play it too, after each."""
    os.environ[RESULTS] = str(folder)
    for number, (terms, seed) in enumerate(_turns(scenario, asked), start=1):
        own = folder / str(number)
        own.mkdir()
        try:
            if scenario is F18:
                for result in endure(kind, seed=seed, folder=own, seconds=asked.hours * _HOUR):
                    _tell(result)
                    yield results_in(folder / WRITTEN)
            else:
                _tell(run(scenario, kind, seed=seed, folder=own, terms=terms))
        except ServerUnavailable as missing:
            _say(f"{scenario.id} {kind}: left out, {missing}")
        except Exception as failure:  # noqa: BLE001  # a run that broke is a result, and the others go on
            _write_failure(scenario, kind, terms=terms, seed=seed, failure=failure, folder=folder)
        yield results_in(folder / WRITTEN)


def _turns(scenario: Scenario, asked: argparse.Namespace) -> Iterator[tuple[Terms, int]]:
    if scenario is F18:
        yield from [(scenario.short, 1)] if asked.hours else []
        return
    for terms in (scenario.short,) if asked.short else scenario.long:
        for seed in range(1, asked.seeds + 1):
            yield terms, seed


def _write_failure(
    scenario: Scenario, kind: Kind, *, terms: Terms, seed: int, failure: Exception, folder: Path
) -> None:
    _say(f"{scenario.id} {kind} seed {seed}: {type(failure).__name__}: {failure}")
    line = {
        "scenario": scenario.id,
        "title": scenario.title,
        "stack": kind,
        "seed": seed,
        "terms": asdict(terms),
        "commit": revision(),
        "began_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "invariants": {},
        "violations": {},
        "expectations": {f"it can be played to its end: {type(failure).__name__}": False},
        "figures": {},
        "ok": False,
    }
    with (folder / WRITTEN).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _put(lines: Sequence[Line], results: Path) -> None:
    """Write lines into the file of results, in place of those of the same fault and stack."""
    replaced = {place(line) for line in lines}
    kept = [line for line in results_in(results) if place(line) not in replaced]
    results.parent.mkdir(parents=True, exist_ok=True)
    everything = sorted([*kept, *lines], key=place)
    results.write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in everything), encoding="utf-8"
    )


def _tell(result: Result) -> None:
    broken = [name for name, holds in (result.invariants | result.expectations).items() if holds is False]
    what = "held" if result.ok else f"broken: {', '.join(broken) or 'feedback was lost'}"
    if result.not_played and not broken:
        what = f"not played: {result.not_played}"
    _say(f"{result.scenario} {result.stack} seed {result.seed}: {what} ({result.seconds:.0f} s)")
    if not result.ok:
        _say(result.story())


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Without the interpreter's last collection: clients of librdkafka were seen to wait in it for a broker that is gone.
    os._exit(code)
