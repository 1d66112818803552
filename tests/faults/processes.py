"""One process of the suite: started, killed, frozen, ended, and started again at the same address."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.faults.history import History

READY_SECONDS = 180
END_SECONDS = 40
_LOOK_SECONDS = 0.02


class Process:
    """`huiyin` with some arguments; what it says goes to files named after it in `folder`.

    `start` may be called again after the process has ended, with other settings if need be. Every change is noted in the
    history.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        history: History,
    ) -> None:
        self.name = name
        self.environment = dict(environment)
        self._arguments = tuple(arguments)
        self._folder = folder
        self._history = history
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the number of the running process."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Return whether it runs, frozen or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Return whether it has said so since its last start."""
        return (self._folder / f"{self.name}.out").read_bytes().startswith(b"ready ")

    @property
    def log(self) -> str:
        """Return the end of what it has logged."""
        return (self._folder / f"{self.name}.err").read_text(errors="replace")[-4000:]

    def start(self, **settings: str) -> float:
        """Start it with further settings, return once it is ready, and tell how many seconds that took."""
        began = time.monotonic()
        self.launch(**settings)
        self.await_ready()
        return time.monotonic() - began

    def launch(self, **settings: str) -> None:
        """Start it and return at once."""
        assert not self.is_alive, f"{self.name} runs already"
        said, logged = self._folder / f"{self.name}.out", self._folder / f"{self.name}.err"
        with said.open("wb") as stdout, logged.open("ab") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "huiyin_chassis", *self._arguments],
                env=self.environment | settings,
                cwd=self._folder,
                stdout=stdout,
                stderr=stderr,
            )
        self._history.fault("started", process=self.name, **settings)

    def await_ready(self) -> None:
        """Return once it has said that it is ready."""
        self.await_that(lambda: self.is_ready)

    def await_that(self, is_so: Callable[[], bool], *, within_seconds: float = READY_SECONDS) -> None:
        """Return once something is so; fails when the process ends before, or in time it is not."""
        end = time.monotonic() + within_seconds
        while not is_so():
            assert self.is_alive, f"{self.name} ended with {self.exit_code}: {self.log}"
            assert time.monotonic() < end, f"{self.name} was not there in {within_seconds} s: {self.log}"
            time.sleep(_LOOK_SECONDS)

    @property
    def exit_code(self) -> int | None:
        """Return how it ended, None while it runs; a signal's number is negative."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """End it as a power cut would; nothing happens when it does not run."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(timeout=END_SECONDS)

    def pause(self) -> None:
        """Freeze it where it stands, with all its connections open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def end(self) -> int:
        """Ask it to stop, and return its exit code once it has."""
        self._signal(signal.SIGTERM)
        return self.await_end()

    def await_end(self, *, within_seconds: float = END_SECONDS) -> int:
        """Return its exit code once it has ended by itself; raises subprocess.TimeoutExpired when it does not."""
        assert self._process is not None, f"{self.name} was never started"
        code = self._process.wait(timeout=within_seconds)
        self._history.fault("ended", process=self.name, code=code)
        return code

    def _signal(self, number: signal.Signals) -> None:
        if self.is_alive:
            os.kill(self.pid, number)
            self._history.fault(number.name.lower(), process=self.name)
