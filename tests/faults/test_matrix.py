"""The table is what the runs were: nothing broken looks held, nothing that did not run is there."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.matrix import table


def result(scenario: str = "F2", **changes: Any) -> dict[str, Any]:
    invariants = {f"I{number}": True for number in range(1, 11)} | {"I7": None, "I8": None, "verify": True}
    figures = {"acknowledged": 100, "lost": 0, "doubled": 0, "reordered": 0, "recovery_seconds": 1.25}
    return {
        "scenario": scenario,
        "title": "the broker is down",
        "stack": "sqlite-embedded",
        "invariants": invariants | changes.pop("invariants", {}),
        "expectations": {"it comes back": True} | changes.pop("expectations", {}),
        "figures": figures | changes.pop("figures", {}),
        **changes,
    }


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def rows(results: Path, *runs: dict[str, Any]) -> list[dict[str, str]]:
    results.write_text("".join(json.dumps(run) + "\n" for run in runs))
    heads, _, *lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table(results).splitlines()
    ]
    return [dict(zip(heads, line, strict=True)) for line in lines]


def test_without_results_the_table_says_so(results: Path) -> None:
    assert table(results) == "No run has been written down yet."


def test_runs_of_a_fault_on_a_stack_are_one_line_with_their_sums_and_the_longest_times(results: Path) -> None:
    (line,) = rows(results, result(), result(figures={"lost": 2, "recovery_seconds": 9.0}))

    assert (line["runs"], line["acknowledged"], line["lost"]) == ("2", "200", "2")
    assert (line["recovery s"], line["accept p99 ms"]) == ("9.0", "–")


def test_a_line_names_every_commit_its_runs_were_played_on(results: Path) -> None:
    (line,) = rows(results, result(commit="bbb+"), result(commit="aaa"), result(commit="aaa"))
    (unknown,) = rows(results, result())

    assert (line["commit"], unknown["commit"]) == ("aaa bbb+", "–")


def test_what_is_broken_in_one_run_is_broken(results: Path) -> None:
    (line,) = rows(results, result(), result(invariants={"I3": False}), result())

    assert (line["I2"], line["I3"]) == ("✓", "✗")


def test_what_was_not_judged_is_no_success(results: Path) -> None:
    (line,) = rows(results, result())

    assert (line["I7"], line["I8"]) == ("–", "–")


def test_an_expectation_that_failed_shows(results: Path) -> None:
    (line,) = rows(results, result(expectations={"it comes back": False}))

    assert line["expected"] == "✗"


def test_a_run_that_fell_short_of_its_fault_is_neither_held_nor_broken(results: Path) -> None:
    short = result(not_played="the burst was not offered")

    (line,) = rows(results, result(), short)
    (broken,) = rows(results, short, result(expectations={"it comes back": False}))

    assert (line["expected"], broken["expected"]) == ("not played", "✗")


def test_faults_stand_in_the_order_of_their_numbers_each_stack_by_itself(results: Path) -> None:
    found = rows(results, result("F10"), result("stop"), result("F2", stack="postgresql-kafka"), result("F2"))

    assert [(line["fault"].split()[0], line["stack"]) for line in found] == [
        ("F2", "postgresql-kafka"),
        ("F2", "sqlite-embedded"),
        ("F10", "sqlite-embedded"),
        ("stop", "sqlite-embedded"),
    ]
