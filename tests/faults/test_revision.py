"""A result names the commit it was played on, and says when the code was another than that."""

import subprocess
from pathlib import Path

import pytest

from tests.faults.revision import revision


def _git(folder: Path, *words: str) -> str:
    own = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    done = subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for name in ("code.py", "docs/results.jsonl"):
        (tmp_path / name).write_text("first\n")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_clean_tree_is_its_commit(repository: Path) -> None:
    assert revision(repository) == _git(repository, "rev-parse", "--short=9", "HEAD")


def test_changed_code_is_told(repository: Path) -> None:
    (repository / "code.py").write_text("second\n")

    assert revision(repository) == _git(repository, "rev-parse", "--short=9", "HEAD") + "+"


def test_results_and_files_git_does_not_know_change_nothing(repository: Path) -> None:
    (repository / "docs" / "results.jsonl").write_text("second\n")
    (repository / "scratch.txt").write_text("new\n")

    assert revision(repository) == _git(repository, "rev-parse", "--short=9", "HEAD")


def test_outside_a_repository_there_is_none(tmp_path: Path) -> None:
    assert revision(tmp_path) is None
