"""Runs `huiyin` as a process of its own, with the example service as the only one installed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 60


class Huiyin:
    """Starts `huiyin` commands that share a data folder."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        site = folder / "site"
        installed = site / "huiyin-0.1.0.dist-info"
        installed.mkdir(parents=True)
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: huiyin\nVersion: 0.1.0\n")
        services = "[huiyin.services]\nexample = tests.chassis.example.app:SERVICE\n"
        (installed / "entry_points.txt").write_text(services)
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            # The first distribution of a name wins, so the entry points of the real one are not seen.
            "PYTHONPATH": f"{site}{os.pathsep}{REPOSITORY}",
            "PYTHONWARNINGS": "error",
            "HUIYIN_DATA_DIR": str(self.data_dir),
            "HUIYIN_BROKER_PORT": "0",
            "HUIYIN_PORT": "0",
            "NO_COLOR": "1",
        }

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self._command(arguments),
            env=self.environment | settings,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )

    @contextmanager
    def serving(self, *arguments: str, **settings: str) -> Iterator["Serving"]:
        """Start a command that serves, give it once it is ready, and end it with SIGTERM."""
        log = self.folder / f"stderr-{len(list(self.folder.glob('stderr-*')))}.log"
        with log.open("w") as stderr:
            process = subprocess.Popen(
                self._command(arguments),
                env=self.environment | settings,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        serving = Serving(process, log=log)
        try:
            serving.wait_until_ready()
            yield serving
        finally:
            serving.end()

    @staticmethod
    def _command(arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "huiyin_chassis", *arguments]


class Serving:
    """A running `huiyin up`, `huiyin run` or `huiyin broker`."""

    def __init__(self, process: subprocess.Popen[str], *, log: Path) -> None:
        self.process = process
        self._log = log
        self.said = ""

    @property
    def url(self) -> str:
        """Return where it answers."""
        return self.said.removeprefix("ready ")

    @property
    def stderr(self) -> str:
        """Return what it has logged so far."""
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        """Return once the line `ready ADDRESS`, or with `--json` its document, has come."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(("ready ", '{"ready": ')), f"{line!r}, stderr: {self.stderr}"
        self.said = line.strip()

    def end(self) -> int:
        """Ask it to stop, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def one_line(of: str, environment: Mapping[str, str] | None = None) -> str:
    """Return what is one line, failing when it is more or less."""
    lines = of.strip().splitlines()
    assert len(lines) == 1, of
    return lines[0]
