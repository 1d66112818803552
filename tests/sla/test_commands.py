"""`huiyin sla due` on the command line."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from huiyin_chassis.cli import run

START = "2026-09-29T16:00:00+08:00"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder: no database, no `.env`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HUIYIN_SLA_POLICIES", raising=False)


def due(*options: str) -> int:
    return run(["sla", "due", *options])


def test_it_counts_the_days_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert due("--policy", "complex", "--start", START) == 0

    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0] == "2026-09-29 Tue start day, never counted"
    assert "2026-10-10 Sat make-up workday 4 (National Day)" in lines
    assert lines[-1] == "2026-10-12 18:00:00+08:00 due at close of working day 5"
    assert told.err == ""


@pytest.mark.parametrize(
    ("policy", "target", "expected"),
    [
        ("ordinary", "response", "2026-09-30T16:00:00+08:00"),
        ("ordinary", "resolution", "2026-10-02T16:00:00+08:00"),
        ("complex", "response", "2026-10-01T16:00:00+08:00"),
        ("complex", "resolution", "2026-10-12T18:00:00+08:00"),
        ("urgent", "response", "2026-09-29T20:00:00+08:00"),
        ("urgent", "resolution", "2026-09-30T16:00:00+08:00"),
    ],
)
def test_json_is_one_document(
    policy: str, target: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert due("--policy", policy, "--target", target, "--start", START, "--json") == 0

    document = json.loads(capsys.readouterr().out)
    assert datetime.fromisoformat(document["due_at"]) == datetime.fromisoformat(expected)
    assert document["explanation"]


def test_a_year_that_is_not_fully_known_warns_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    assert due("--policy", "complex", "--start", "2026-12-30T16:00:00+08:00") == 0

    told = capsys.readouterr()
    assert "warning: calendar cn: only the statutory holidays of 2027 are known" in told.err
    assert "warning" not in told.out


def test_a_calendar_of_ones_own_is_read_from_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hotline.json"
    week = {day: ["08:00-20:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    file.write_text(json.dumps({"name": "hotline", "zone": "Asia/Shanghai", "week": week}), encoding="utf-8")

    assert due("--policy", "complex", "--start", START, "--calendar", str(file), "--json") == 0

    assert json.loads(capsys.readouterr().out)["due_at"] == "2026-10-04T12:00:00+00:00"


def test_policies_of_the_setting_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUIYIN_SLA_POLICIES", '{"urgent": {"response": "PT30S"}}')

    assert due("--policy", "urgent", "--target", "response", "--start", START, "--json") == 0

    assert json.loads(capsys.readouterr().out)["due_at"] == "2026-09-29T08:00:30+00:00"


@pytest.mark.parametrize(
    "options",
    [
        ("--policy", "lazy", "--start", START),
        ("--policy", "urgent", "--start", "2026-09-29T16:00:00"),
        ("--policy", "urgent", "--start", "tomorrow"),
        ("--policy", "urgent", "--target", "lunch", "--start", START),
        ("--policy", "complex", "--start", "9999-12-30T12:00:00Z"),
        ("--policy", "urgent", "--start", START, "--calendar", "mars"),
        ("--policy", "urgent", "--start", START, "--calendar", "broken.json"),
        ("--policy", "urgent", "--start", START, "--calendar", "list.json"),
        ("--policy", "urgent", "--start", START, "--calendar", "closed.json"),
    ],
)
def test_bad_input_is_one_line_and_a_wrong_call(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {"broken": "{", "list": "[]", "closed": '{"name": "closed"}'}.items():
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")

    assert due(*options) == 2

    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert told.err.startswith("huiyin: ")


def test_a_missing_option_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert due("--policy", "urgent") == 2
    assert "--start" in capsys.readouterr().err
