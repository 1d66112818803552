"""A trial: a copy of the tree, the named tests run in it, and which of them failed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final
from xml.etree import ElementTree as ET

from tests.mutants.planted_bug import PlantedBug
from tests.support.servers import CACHE, PROJECT

TEST_SECONDS: Final = 120
_LEFT_BEHIND: Final = shutil.ignore_patterns(".*", "dist", "node_modules")
_SOURCES: Final = ("libs", "services")


class TrialBroken(Exception):
    """The tests could not be run, or fail without any planted bug: their verdict would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a planted bug: which of its tests noticed it by failing, and which passed over it."""

    name: str
    title: str
    noticed_by: tuple[str, ...]
    missed_by: tuple[str, ...]
    seconds: float

    @property
    def is_noticed(self) -> bool:
        """Return whether every test that is there for this bug has failed."""
        return bool(self.noticed_by) and not self.missed_by


@dataclass(frozen=True, slots=True)
class _Outcome:
    passed: tuple[str, ...]
    failed: tuple[str, ...]
    unusable: tuple[str, ...]


def try_bug(bug: PlantedBug) -> Verdict:
    """Plant the bug in a copy of the tree and run its tests there; each of them should fail.

    Raises EditDoesNotFit, and TrialBroken when a test could not even begin.
    """
    began = monotonic()
    with _copied_tree() as tree:
        bug.plant(tree)
        outcome = _run(tree, bug.tests)
    if outcome.unusable:
        raise TrialBroken(f"{bug.name}: {outcome.unusable[0]} did not begin")
    return Verdict(
        name=bug.name,
        title=bug.title,
        noticed_by=outcome.failed,
        missed_by=outcome.passed,
        seconds=monotonic() - began,
    )


def check_tests_pass(tests: Sequence[str]) -> None:
    """Run tests in a copy without a bug; raises TrialBroken unless each of them passes, none skipped."""
    with _copied_tree() as tree:
        _check_imports(tree)
        outcome = _run(tree, tests)
    if outcome.failed or outcome.unusable:
        raise TrialBroken(f"without a planted bug: {', '.join(outcome.failed + outcome.unusable)}")
    if not outcome.passed:
        raise TrialBroken("no test was run")


@contextmanager
def _copied_tree() -> Iterator[Path]:
    with TemporaryDirectory(prefix="huiyin-mutant-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(PROJECT, tree, ignore=_LEFT_BEHIND)
        # Apache Kafka's jars are downloaded once per machine.
        (tree / CACHE.name).symlink_to(CACHE)
        yield tree


def _run(tree: Path, tests: Sequence[str]) -> _Outcome:
    report = tree.parent / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", f"--timeout={TEST_SECONDS}", f"--junitxml={report}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        env=_environment(tree),
        capture_output=True,
        text=True,
        check=False,
    )
    if not report.exists():
        raise TrialBroken(f"pytest said: {(done.stdout + done.stderr).strip()[-600:]}")
    return _read(report)


def _environment(tree: Path) -> dict[str, str]:
    sources = [str(folder) for top in _SOURCES for folder in (tree / top).iterdir() if folder.is_dir()]
    # CI: a server that is missing is then a failure, where a skipped test would look like a bug that nobody noticed.
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sources), "CI": "true"}


def _check_imports(tree: Path) -> None:
    """Raise TrialBroken when the copy's tests would import the code from elsewhere."""
    done = subprocess.run(
        [sys.executable, "-c", "import huiyin_broker, huiyin_eventbus; print(huiyin_broker.__file__)"],
        cwd=tree,
        env=_environment(tree),
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.startswith(str(tree)):
        raise TrialBroken(f"the copy is not what is imported: {done.stdout}{done.stderr}")


def _read(report: Path) -> _Outcome:
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314  # written by our own pytest
    failed, unusable, passed = [], [], []
    for case in cases:
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        if case.find("failure") is not None:
            failed.append(name)
        elif case.find("error") is not None or case.find("skipped") is not None:
            unusable.append(name)
        else:
            passed.append(name)
    return _Outcome(tuple(passed), tuple(failed), tuple(unusable))
