"""The Makefile: what a first user meets before anything of ours runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.servers import PROJECT

TOOLS = ("sh", "awk", "env", "touch", "rm", "test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out a checkout without a .venv, and a `bin` of its own that holds no Python and no uv."""
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def _make(folder: Path, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    program = shutil.which("make")
    if program is None:
        pytest.skip("make is not installed")
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "PYTHON"}
    }
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=environment | {"PATH": path or environment["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_alone_lists_every_target_with_what_it_does(folder: Path) -> None:
    makefile = (folder / "Makefile").read_text(encoding="utf-8")
    targets = {line.removeprefix(".PHONY: ") for line in makefile.splitlines() if line.startswith(".PHONY: ")}

    listed = _make(folder).stdout

    assert {line.split()[1] for line in listed.splitlines()} == targets


def test_a_machine_without_a_new_enough_python_gets_one_clear_line(folder: Path) -> None:
    old = folder / "bin" / "python3"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    old.chmod(0o755)

    done = _make(folder, "setup", path=str(folder / "bin"))

    first, *rest = done.stderr.splitlines()
    assert done.returncode != 0
    assert first.startswith("Huiyin needs Python 3.11 or newer")
    assert all(line.startswith("make: ") for line in rest)
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("target", ["demo", "test"])
def test_demo_and_test_prepare_what_they_need(folder: Path, target: str) -> None:
    planned = _make(folder, "--dry-run", target).stdout

    assert " sync --quiet --frozen " in planned


def test_demo_passes_its_options_on(folder: Path) -> None:
    planned = _make(folder, "--dry-run", "demo", "DEMO=--once --json").stdout

    assert planned.splitlines()[-1] == ".venv/bin/huiyin demo --once --json"


def test_nothing_is_installed_again_when_nothing_changed(folder: Path) -> None:
    (folder / ".venv").mkdir()
    for stamp in (".runtime", ".development"):
        (folder / ".venv" / stamp).touch()

    for target in ("setup", "test"):
        assert " sync " not in _make(folder, "--dry-run", target).stdout


def test_a_changed_lock_is_installed(folder: Path) -> None:
    (folder / ".venv").mkdir()
    stamp = folder / ".venv" / ".runtime"
    stamp.touch()
    later = stamp.stat().st_mtime + 10
    os.utime(folder / "uv.lock", (later, later))

    assert " sync " in _make(folder, "--dry-run", "setup").stdout


def test_ci_runs_what_developers_run() -> None:
    script = PROJECT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "make test"
