"""The whole suite as one real process (`huiyin up`), seen only through its public interfaces."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import uuid_utils

REPOSITORY = Path(__file__).parents[2]
SERVICES = ("directory", "intake", "router", "sla", "desk", "analytics")
ADMIN_KEY = "admin-key-of-the-journeys-0000000000"
READY_SECONDS = 90

Found = TypeVar("Found")


class Suite:
    """A running suite: `client` is the operator's, `command` runs `huiyin` beside it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "error",
            "HUIYIN_DATA_DIR": str(self.data_dir),
            "HUIYIN_BROKER_PORT": "0",
            "HUIYIN_PORT": "0",
            "HUIYIN_ADMIN_KEY": ADMIN_KEY,
            "HUIYIN_LOG_LEVEL": "warning",
            "NO_COLOR": "1",
            **settings,
        }
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and return once it is ready."""
        with (self.folder / "stderr.log").open("a") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "huiyin_chassis", "up"],
                env=self.environment,
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ready http://"), f"{line!r}; stderr: {self.stderr[-4000:]}"
        self.url = line.removeprefix("ready ").strip()

    @property
    def stderr(self) -> str:
        """Return what it has logged so far."""
        return (self.folder / "stderr.log").read_text()

    @property
    def bootstrap(self) -> str:
        """Return the address of the Kafka it uses, the embedded one or another."""
        given = self.environment.get("HUIYIN_KAFKA_BOOTSTRAP")
        return given or f"127.0.0.1:{(self.data_dir / 'broker.port').read_text().strip()}"

    def end(self) -> int:
        """Ask it to stop and return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """End it as a power cut would."""
        return self._end(signal.SIGKILL)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `huiyin` command with the suite's settings to its end."""
        return subprocess.run(
            [sys.executable, "-m", "huiyin_chassis", *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def verify(self) -> dict[str, Any]:
        """Return the report of `huiyin verify`."""
        done = self.command("verify", "--json")
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def client(self, key: str = ADMIN_KEY) -> httpx2.Client:
        """Return a client with a key."""
        return httpx2.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=30, trust_env=False
        )

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(how)
        code = self._process.wait(timeout=40)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code


@contextmanager
def running_suite(folder: Path, **settings: str) -> Iterator[Suite]:
    """Give a running suite with a data folder of its own, and end it."""
    suite = Suite(folder, **settings)
    if "HUIYIN_KAFKA_BOOTSTRAP" in settings:
        done = suite.command("migrate", "--create")
        assert done.returncode == 0, done.stderr
    suite.start()
    try:
        yield suite
    finally:
        suite.end()


def eventually(look: Callable[[], Found | None], *, within_seconds: float = 30) -> Found:
    """Return what `look` gives once it is true; fails with the last answer when it never is."""
    end = time.monotonic() + within_seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {within_seconds} s: {look.__name__} gave {found!r}"
        time.sleep(0.05)


class Customer:
    """Somebody who speaks up through a channel, and what becomes of it."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    def says(self, text: str, **changes: Any) -> str:
        """Post a feedback and return its id."""
        answer = self.posts(text, **changes)
        assert answer.status_code == 202, answer.text
        feedback_id: str = answer.json()["id"]
        return feedback_id

    def posts(self, text: str, **changes: Any) -> httpx2.Response:
        """Post a feedback and return the answer."""
        post = {
            "channel": "wechat",
            "kind": "message",
            "external_id": str(uuid_utils.uuid7()),
            "occurred_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "text": text,
            "author": {"id": str(uuid_utils.uuid7()), "name": "王小明"},
            **changes,
        }
        return self._client.post("/v1/feedback", json=post)

    def outcome(self, feedback_id: str) -> Mapping[str, Any]:
        """Wait for a feedback's outcome and return its classification."""

        def decided() -> dict[str, Any] | None:
            answer = self._client.get(f"/v1/classifications/{feedback_id}")
            if answer.status_code == 404 or answer.json()["outcome"] == "pending":
                return None
            found: dict[str, Any] = answer.json()
            return found

        return eventually(decided)

    def ticket(self, feedback_id: str) -> dict[str, Any]:
        """Wait for the ticket of a feedback on the desk and return it."""

        def there() -> dict[str, Any] | None:
            answer = self._client.get(f"/v1/tickets/{feedback_id}")
            return answer.json() if answer.status_code == 200 else None

        return eventually(there)
