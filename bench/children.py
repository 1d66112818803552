"""Processes that a measure starts: ready when they say so or answer, and gone when the measure is."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Final, Self

from bench.accounting import tree

REPOSITORY: Final = Path(__file__).parents[1]
_START_SECONDS: Final = 120
_STOP_SECONDS: Final = 40


class DidNotStart(Exception):
    """A process ended or said nothing before it was ready; the message has its last words."""


class Child:
    """A running process; a context manager that ends it with all its descendants.

    `ready` is what the first line it prints must begin with; the rest of that line is `told`. `started_seconds` is how
    long it took from its start to that line, or to the first HTTP answer when `answers_at` names a port instead.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        ready: str | None = None,
        answers_at: int | None = None,
    ) -> None:
        self._log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
        began = monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=base_environment() | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if ready is not None else log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self.told = ""
        try:
            if ready is not None:
                self.told = self._line(ready)
            if answers_at is not None:
                self._await_answer(answers_at)
        except BaseException:
            self.kill()
            raise
        self.started_seconds = monotonic() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def last_words(self) -> str:
        """Return the end of what it has logged."""
        return self._log.read_text(errors="replace")[-1500:].strip()

    def stop(self) -> None:
        """Ask it to end, and end it when it does not."""
        if self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it at once, with what it has started."""
        for pid in tree(self.pid) if self._process.poll() is None else []:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _line(self, prefix: str) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode(errors="replace").strip()
        if not line.startswith(prefix):
            raise DidNotStart(f"{line!r}: {self.last_words}")
        return line.removeprefix(prefix).strip()

    def _await_answer(self, port: int) -> None:
        ends = monotonic() + _START_SECONDS
        while not _answers(port):
            if self._process.poll() is not None or monotonic() > ends:
                raise DidNotStart(self.last_words)
            time.sleep(0.01)


def base_environment() -> dict[str, str]:
    """Return the environment of everything that is started: none of the caller's settings, and the code of this tree.

    Where the interpreter's packages point to another tree, this one is measured all the same.
    """
    sources = [REPOSITORY, *REPOSITORY.glob("libs/*/"), *REPOSITORY.glob("services/*/")]
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, sources))}


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as knock:
            knock.sendall(b"GET /-nobody-is-here- HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return knock.recv(5) == b"HTTP/"
    except OSError:
        return False
