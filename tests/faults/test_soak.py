"""The soak runner: what is played again replaces what was written down before, and growth is told from noise."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults import soak
from tests.faults.matrix import results_in
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.vitals import slope, trends


def line(scenario: str, *, seed: int = 1) -> dict[str, Any]:
    return {"scenario": scenario, "stack": "sqlite-embedded", "seed": seed}


def test_what_is_played_again_replaces_its_own_lines_alone(tmp_path: Path) -> None:
    results = tmp_path / "results" / "faults.jsonl"
    soak._put([line("F2"), line("F2", seed=2), line("F10")], results)

    soak._put([line("F2", seed=9)], results)

    assert [(each["scenario"], each["seed"]) for each in results_in(results)] == [("F2", 9), ("F10", 1)]


def test_every_scenario_of_the_plan_is_played_on_its_stacks() -> None:
    ids = {scenario.id for scenario, _ in soak._chosen(None, None)}

    assert {f"F{number}" for number in range(1, 19)} - {"F17"} <= ids


def test_one_scenario_on_one_stack_can_be_asked_for() -> None:
    assert [(each.id, kind) for each, kind in soak._chosen(["F5"], "sqlite-embedded")] == [
        ("F5", "sqlite-embedded")
    ]


def test_a_scenario_that_cannot_be_played_to_its_end_is_a_result_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_stage: Stage) -> None:
        raise AssertionError("it never came back")

    scenario = Scenario("F99", "a fault that nothing survives", breaks, stacks=("sqlite-embedded",))
    monkeypatch.setattr(soak, "SCENARIOS", (scenario,))
    monkeypatch.setattr(soak, "run", lambda *_args, **_kwargs: breaks(None))  # type: ignore[arg-type]  # raises first
    results = tmp_path / "faults.jsonl"

    code = soak.main(
        ["--seeds", "1", "--hours", "0", "--results", str(results), "--stack", "sqlite-embedded"]
    )

    (written,) = results_in(results)
    assert code == 1
    assert written["expectations"] == {"it can be played to its end: AssertionError": False}
    assert written["terms"]["outage_seconds"] == Terms(outage_seconds=60).outage_seconds


def test_a_burst_is_no_growth_and_a_leak_is() -> None:
    hour = [(float(at), 100.0) for at in range(0, 3600, 10)]
    burst = [(at, 400.0 if 100 < at < 300 else size) for at, size in hour]
    leak = [(at, 100 + at / 36) for at, _ in hour]

    assert slope(burst) == 0
    assert slope(leak) * 3600 == pytest.approx(100)


def test_trends_leave_out_short_lives_and_the_first_minutes(tmp_path: Path) -> None:
    vitals = tmp_path / "vitals.jsonl"
    samples = [sample("desk", pid=1, at=at, megabytes=min(100 + at, 200)) for at in range(0, 3600, 5)]
    samples += [sample("sla", pid=2, at=at, megabytes=at * 10) for at in range(0, 200, 5)]
    samples += [{"process": "suite", "pid": 0, "at": at, "waiting": at / 36} for at in range(0, 3600, 30)]
    vitals.write_text("".join(json.dumps(each) + "\n" for each in samples))

    assert trends(vitals) == {"megabytes_per_hour": 0.0, "files_per_hour": 0.0, "waiting_per_hour": 100.0}


def sample(process: str, *, pid: int, at: float, megabytes: float) -> dict[str, Any]:
    return {"process": process, "pid": pid, "at": at, "megabytes": megabytes, "files": 20}
