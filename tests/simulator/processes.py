"""Runs the whole suite, and the commands beside it, as processes of their own, the way a user does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ADMIN_KEY = "admin-key-of-the-simulator-tests-00000"
_HUIYIN = (sys.executable, "-m", "huiyin_chassis")
_STOP_SECONDS = 40


@dataclass(frozen=True)
class RunningSuite:
    """A suite that answers at `url`; `bootstrap` is its broker."""

    url: str
    bootstrap: str
    folder: Path


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return an environment in which only these settings are made, on a data folder of its own."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HUIYIN_", "LC_", "LANG"))
    }
    return kept | {"HUIYIN_DATA_DIR": str(folder), "HUIYIN_BROKER_PORT": "0", "NO_COLOR": "1"} | settings


def huiyin(
    *arguments: str, folder: Path, timeout: float = 60, **settings: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        [*_HUIYIN, *arguments],
        env=environment(folder, **settings),
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextmanager
def started(
    command: Sequence[str], *, env: dict[str, str], folder: Path
) -> "Iterator[subprocess.Popen[str]]":
    """Start a program, give it, and ask it to stop; its stdout is a pipe, its stderr a file in the folder."""
    with (folder / "stderr.log").open("a") as log:
        process = subprocess.Popen(
            command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=_STOP_SECONDS)
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def running_suite(folder: Path, *, port: int = 0) -> Iterator[RunningSuite]:
    """Start `huiyin up` on an empty folder and give it once it is ready."""
    env = environment(folder / "data", HUIYIN_ADMIN_KEY=ADMIN_KEY)
    with started([*_HUIYIN, "up", "--port", str(port)], env=env, folder=folder) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready "), (folder / "stderr.log").read_text()
        broker_port = (folder / "data" / "broker.port").read_text().strip()
        yield RunningSuite(line.split()[1], f"127.0.0.1:{broker_port}", folder / "data")
