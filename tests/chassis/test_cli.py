"""The command line: what it offers, what it refuses, and how little it loads."""

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest

from huiyin_chassis.cli import OWN, build, run


def heavy_modules_after(arguments: Sequence[str]) -> list[str]:
    """Return which costly modules a command has imported, asked of a fresh interpreter."""
    heavy = ["fastapi", "sqlalchemy", "aiokafka", "alembic", "rich", "uvicorn"]
    script = (
        "import sys; from huiyin_chassis.cli import run; run(sys.argv[1:]);"
        f"print('|'.join(m for m in {heavy} if m in sys.modules))"
    )
    command = [sys.executable, "-c", script, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [name for name in finished.stdout.splitlines()[-1].split("|") if name]


def test_the_version_costs_nothing_of_the_suite() -> None:
    assert heavy_modules_after(["version"]) == []


@pytest.mark.parametrize("verb", sorted(OWN))
def test_every_own_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0

    assert "Usage: huiyin" in capsys.readouterr().out


@pytest.mark.parametrize("verb", [verb for verb in sorted(OWN) if verb != "events"])
def test_every_own_verb_takes_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([verb, "--help"])

    assert "--json" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["tail", "replay", "dead list", "dead show", "dead redrive", "dead discard"])
def test_every_events_verb_takes_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["events", *verb.split(), "--help"])

    assert "--json" in capsys.readouterr().out


def test_json_is_one_document_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version", "--json"]) == 0

    assert set(json.loads(capsys.readouterr().out)) == {"version"}


@pytest.mark.parametrize(
    "arguments", [["up", "--nonsense"], ["up", "--port", "x"], ["run"], ["events", "dead", "dance"]]
)
def test_a_wrong_call_is_explained_on_stderr_with_code_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err


def test_an_unknown_service_is_one_line_that_names_the_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "nonsense"]) == 1

    told = capsys.readouterr().err.strip()
    assert told.startswith("huiyin: there is no service 'nonsense'")
    assert "intake" in told


def test_an_unforeseen_error_is_one_line_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(OWN, "version", "tests.chassis.example.failing_command")

    assert run(["version"]) == 1

    told = capsys.readouterr().err
    assert told.startswith("huiyin: ZeroDivisionError: ")
    assert told.count("\n") == 1


def test_all_verbs_are_offered_when_none_is_named() -> None:
    offered = {
        command.name or command.callback.__name__
        for command in build([]).registered_commands
        if command.callback
    }

    assert {"up", "run", "broker", "migrate", "verify", "version"} <= offered
