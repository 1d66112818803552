"""`python -m bench --quick` still measures something; its figures mean nothing and are not looked at."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.measures import MEASURES
from tests.support.servers import PROJECT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )


def test_the_list_names_every_measure() -> None:
    told = run("--list").stdout

    assert [line.split()[0] for line in told.splitlines()] == [entry.name for entry in MEASURES]


def test_an_unknown_measure_is_refused() -> None:
    done = run("--only", "T99")

    assert done.returncode != 0
    assert "nothing measures T99" in done.stderr


def test_the_numbers_that_are_promised_have_a_measure() -> None:
    numbers = {number for entry in MEASURES for number in entry.numbers}

    assert {*(f"T{number}" for number in range(1, 12)), "T15", "T16"} <= numbers


@pytest.mark.parametrize("measures", ["batch,relay", "routed"])
def test_a_quick_run_leaves_figures(measures: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"

    done = run("--quick", "--sqlite-only", "--only", measures, "--output", str(path))

    assert done.returncode == 0, done.stderr
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["figures"]
    assert all(figure["value"]["median"] > 0 for figure in result["figures"] if figure["bar"])
    assert result["commit"]
    assert result["machine"]["processors"] > 0
