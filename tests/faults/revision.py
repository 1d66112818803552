"""Which commit a run was played on, so that a result can be held against the code it judges."""

import subprocess
from pathlib import Path
from typing import Final

from tests.support.servers import PROJECT

_CHANGED: Final = "+"


def revision(folder: Path = PROJECT) -> str | None:
    """Return the short hash of the commit that is checked out, with `+` when tracked files differ from it.

    What runs write themselves, everything under `docs`, does not count. None where there is no git or no repository.
    """
    commit = _git(folder, "rev-parse", "--short=9", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs")
    return commit + _CHANGED if changed else commit


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
