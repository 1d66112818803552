"""`python -m tests.mutants`: plant every bug in turn, run its tests, print who noticed.

Ends with 1 when a test passes over the bug it is there for, with 2 when the trial itself is of no use.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.planted_bug import EditDoesNotFit, PlantedBug, planted_bugs
from tests.mutants.trial import TrialBroken, Verdict, check_tests_pass, try_bug
from tests.mutants.verdicts import RESULTS, rows, store_verdicts


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trials that the arguments name and return the exit code."""
    options = _parser().parse_args(arguments)
    bugs = [bug for bug in planted_bugs() if options.only in {None, bug.name}]
    if not bugs:
        _say(f"no planted bug is called {options.only}")
        return 2
    try:
        verdicts = _try_all(bugs)
    except (EditDoesNotFit, TrialBroken) as problem:
        _say(str(problem))
        return 2
    sys.stdout.write(rows(verdicts))
    # What the guide shows is always a run of all of them.
    file = options.json or (None if options.only else RESULTS)
    if file:
        store_verdicts(verdicts, file)
    survivors = [each.name for each in verdicts if not each.is_noticed]
    _say(f"{len(verdicts) - len(survivors)} of {len(verdicts)} planted bugs were noticed")
    return 1 if survivors else 0


def _try_all(bugs: Sequence[PlantedBug]) -> list[Verdict]:
    _say("the tests without a bug")
    check_tests_pass(sorted({test for bug in bugs for test in bug.tests}))
    verdicts = []
    for bug in bugs:
        verdict = try_bug(bug)
        verdicts.append(verdict)
        _say(f"{bug.name}: {'noticed' if verdict.is_noticed else 'SURVIVED'} after {verdict.seconds:.0f} s")
    return verdicts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="try one planted bug")
    parser.add_argument(
        "--json", metavar="FILE", type=Path, help="write the verdicts there, not into docs/results"
    )
    return parser


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
