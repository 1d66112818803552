"""What counts as a good run, and where it is written down."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.infrastructure import INFRASTRUCTURE
from tests.faults.scenario import RESULTS, Result, Terms, keep
from tests.faults.stack import SQLITE

GOOD = Result(
    scenario="F0",
    title="nothing happens",
    stack=SQLITE,
    seed=1,
    terms=Terms(),
    commit="0123456789",
    began_at="2026-11-22T12:00:00+00:00",
    seconds=1.0,
    invariants={"verify": True, "I1": True, "I7": None},
    violations={},
    expectations={"back in time": True},
    figures={"lost": 0, "doubled": 0, "reordered": 0},
)


def test_a_run_in_which_everything_holds_is_good_and_what_is_not_judged_does_not_count() -> None:
    assert GOOD.ok


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, invariants={**GOOD.invariants, "I5": False}),
        replace(GOOD, expectations={"back in time": False}),
        replace(GOOD, figures={**GOOD.figures, "lost": 1}),
        replace(GOOD, figures={**GOOD.figures, "doubled": 1}),
        replace(GOOD, figures={**GOOD.figures, "reordered": 1}),
        replace(GOOD, not_played="the burst was not offered"),
    ],
)
def test_one_thing_wrong_makes_a_bad_run(wrong: Result) -> None:
    assert not wrong.ok


def test_results_are_lines_of_json_in_the_folder_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RESULTS, str(tmp_path / "kept"))

    keep(GOOD, tmp_path)
    keep(GOOD, tmp_path)

    kept = [json.loads(line) for line in (tmp_path / "kept" / "results.jsonl").read_text().splitlines()]
    assert [(each["scenario"], each["ok"]) for each in kept] == [("F0", True), ("F0", True)]


def test_every_scenario_has_an_id_of_its_own_and_a_long_version() -> None:
    assert len({scenario.id for scenario in INFRASTRUCTURE}) == len(INFRASTRUCTURE)
    assert all(scenario.long for scenario in INFRASTRUCTURE)
