"""What a result must say of where it comes from: the machine, the versions, the commit."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from bench.children import REPOSITORY
from bench.servers import POSTGRESQL_OPTIONS, processors

_PACKAGES: Final = (
    "huiyin",
    "fastapi",
    "starlette",
    "pydantic",
    "uvicorn",
    "uvloop",
    "sqlalchemy",
    "asyncpg",
    "aiokafka",
)


def describe() -> dict[str, Any]:
    """Return the machine, the versions of what is measured, and the commit."""
    return {
        "machine": {
            "processor": _field("/proc/cpuinfo", "model name"),
            "processors": processors(),
            "memory_mib": int(_field("/proc/meminfo", "MemTotal").split()[0]) // 1024,
            "kernel": platform.release(),
            "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        },
        "versions": {
            "python": platform.python_version(),
            "sqlite": _sqlite(),
            **{name: version(name) for name in _PACKAGES},
        },
        "postgresql_settings": list(POSTGRESQL_OPTIONS),
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changed_files": len(_git("status", "--porcelain", "--", "libs", "services").splitlines()),
    }


def sentence(found: Mapping[str, Any]) -> str:
    """Return a description as the README tells it."""
    machine, versions = found["machine"], found["versions"]
    named = ", ".join(f"{name} {number}" for name, number in versions.items() if name != "huiyin")
    memory = f"{machine['memory_mib'] / 1024:.0f} GiB"
    return (
        f"{machine['processors']} × {machine['processor']}, {memory}, Linux {machine['kernel']}, {machine['system']}; "
        f"{named}; commit `{found['commit']}`."
    )


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        label, _, value = line.partition(":")
        if label.strip() == name:
            return value.strip()
    return "0"


def _sqlite() -> str:
    import sqlite3  # noqa: PLC0415

    return sqlite3.sqlite_version


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def command_line() -> str:
    """Return how the run was asked for; where its result was to go says nothing about it."""
    words = list(sys.argv[1:])
    if "--output" in words:
        place = words.index("--output")
        del words[place : place + 2]
    return " ".join(["python -m bench", *words])


def load_average() -> list[float]:
    """Return the machine's load averages over 1, 5 and 15 minutes."""
    return list(os.getloadavg())
