"""The whole suite on one of the two stacks, as one process or one per service, with all that a fault test may break.

`sqlite-embedded` is SQLite files and the embedded broker, `postgresql-kafka` PostgreSQL and Apache Kafka of its own. Every
process keeps its port over restarts.
"""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import KafkaException

from tests.faults.caller import Caller
from tests.faults.ground import (
    ADMIN_KEY,
    KINDS,
    POSTGRESQL,
    SQLITE,
    Ground,
    Kind,
    log_ends,
)
from tests.faults.history import ACCEPTED, History
from tests.faults.load import feedback, note_post
from tests.faults.numbers import Numbers
from tests.faults.processes import Process
from tests.support.suite import SERVICES

__all__ = [
    "ADMIN_KEY",
    "KINDS",
    "POSTGRESQL",
    "SERVICES",
    "SQLITE",
    "Kind",
    "Layout",
    "Stack",
    "eventually",
    "log_ends",
    "running",
]

Layout = Literal["apart", "together"]

_REST_SECONDS = 0.2
_VERIFY_SECONDS = 300
# One question for both, because on PostgreSQL each costs a process: the outbox has partition -1.
_UNDER_WAY = (
    "SELECT topic, part, next_offset FROM consumer_offset UNION ALL SELECT '', -1, count(*) FROM outbox"
)


class Stack(Ground):
    """A running suite. Make it with `running`.

    `processes` holds the processes by name: each service's, or `up` for all in one; and `broker`, when the embedded one
    has a process of its own.
    """

    def __init__(
        self,
        folder: Path,
        kind: Kind,
        *,
        layout: Layout = "apart",
        settings: Mapping[str, str] | None = None,
        disk_megabytes: int | None = None,
        started: Sequence[str] = SERVICES,
    ) -> None:
        super().__init__(folder, kind, settings=settings, disk_megabytes=disk_megabytes)
        self._started = started
        self.layout = layout
        self.history = History(folder / "history.jsonl")
        self.processes: dict[str, Process] = {}
        self.numbers = Numbers()

    def address(self, service: str) -> str:
        """Return where a service answers."""
        return f"http://127.0.0.1:{self.ports['up' if self.layout == 'together' else service]}"

    def process_of(self, service: str) -> Process:
        """Return the process a service runs in."""
        return self.processes["up" if self.layout == "together" else service]

    def start(self) -> None:
        """Start databases, broker and services, and return when all are ready."""
        self.prepare()
        self._make_processes()
        broker = self.processes.get("broker")
        if broker is not None:
            broker.start()
        if self.layout == "apart" or self.kafka:
            self.command("migrate", "--create")
        services = [each for name, each in self.processes.items() if name in {*self._started, "up"}]
        for process in services:
            process.launch()
        for process in services:
            process.await_ready()

    def kill_broker(self) -> None:
        """Kill the broker as a power cut would."""
        if self.kafka is None:
            self.processes["broker"].kill()
        else:
            self.kafka.kill()
            self.history.fault("killed", process="kafka")

    def start_broker(self) -> None:
        """Start the broker again on its log, and return once it answers."""
        if self.kafka is None:
            self.processes["broker"].start()
        else:
            self.kafka.start()
            self.history.fault("started", process="kafka")

    def pause_broker(self) -> None:
        """Freeze the broker with all its connections open."""
        (self.kafka or self.processes["broker"]).pause()

    def resume_broker(self) -> None:
        """Let the frozen broker go on."""
        (self.kafka or self.processes["broker"]).resume()

    def stop(self) -> None:
        """Kill whatever still runs and remove the servers."""
        for process in self.processes.values():
            process.resume()
            process.kill()
        self.clear()
        self.history.close()

    def command(
        self, *arguments: str, check: bool = True, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a `huiyin` command beside the suite to its end; fails when it fails, unless told not to check."""
        done = subprocess.run(
            [sys.executable, "-m", "huiyin_chassis", *arguments],
            env=self.environment | settings,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=_VERIFY_SECONDS,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def verify(self, *, wait_seconds: float = 20) -> dict[str, Any]:
        """Return the report of `huiyin verify`."""
        done = self.command("verify", "--json", "--wait", str(wait_seconds), check=False)
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def waiting(self) -> dict[str, int]:
        """Return what is still under way, empty at rest: events in outboxes, and events that a group has not read."""
        ends = log_ends(self.bootstrap)
        found: dict[str, int] = {}
        for service in SERVICES:
            rows = [(topic, int(part), int(count)) for topic, part, count in self.rows(service, _UNDER_WAY)]
            found[f"{service} outbox"] = sum(count for _, part, count in rows if part < 0)
            lags = [ends.get((topic, part), 0) - read for topic, part, read in rows if part >= 0]
            found[f"{service} lag"] = sum(lag for lag in lags if lag > 0)
        return {name: count for name, count in found.items() if count}

    def come_to_rest(self, *, within_seconds: float = 90, waiting_below: int = 1) -> float:
        """Return once nothing is under way, and tell how many seconds that took; fails when it never is.

        With `waiting_below` a few events may be: under load some always are.
        """
        began, calm = time.monotonic(), 0
        waiting: Mapping[str, int] = {}
        while calm < 2:
            if time.monotonic() - began > within_seconds:
                raise AssertionError(f"not at rest within {within_seconds} s: {waiting}")
            time.sleep(_REST_SECONDS)
            try:
                waiting = self.waiting()
            except (KafkaException, sqlite3.Error) as failure:
                waiting = {repr(failure): 1}
            calm = calm + 1 if sum(waiting.values()) < waiting_below else 0
        return time.monotonic() - began

    @contextmanager
    def without(self, services: Sequence[str], *, rest_seconds: float = 90) -> Iterator[None]:
        """End services in order while the block runs; it begins once the others have taken all that those have said."""
        for service in services:
            assert self.process_of(service).end() == 0, self.process_of(service).log
        if services:
            self.come_to_rest(within_seconds=rest_seconds)
        yield
        for service in services:
            self.process_of(service).start()

    def passes_through(self, *, within_seconds: float = 60) -> float:
        """Return once a feedback posted now has its outcome, and tell how many seconds that took: the chain works again."""
        began = time.monotonic()
        number = self.numbers.draw()
        body = feedback(0, number) | {"kind": "form", "author": {"id": f"probe-{number}"}}

        def is_through() -> bool:
            with Caller(self.address("intake"), ADMIN_KEY, answer_seconds=5) as intake:
                told = intake.post("/v1/feedback", body)
            note_post(self.history, told, number=number, body=body)
            return told.status == ACCEPTED and self.is_decided(told.body["id"])

        eventually(is_through, within_seconds=within_seconds)
        return time.monotonic() - began

    def is_ready(self, service: str) -> bool:
        """Return whether a service says that it is ready."""
        with Caller(self.address(service), ADMIN_KEY, answer_seconds=5) as caller:
            return caller.get("/readyz").status == HTTPStatus.OK

    def is_decided(self, feedback_id: str) -> bool:
        """Return whether the router says what became of a feedback."""
        with Caller(self.address("router"), ADMIN_KEY, answer_seconds=5) as router:
            found = router.get(f"/v1/classifications/{feedback_id}")
        return found.status == HTTPStatus.OK and bool(found.body["outcome"] != "pending")

    def _make_processes(self) -> None:
        if self.kafka is None and self.layout == "apart":
            self._add("broker", "broker")
        if self.layout == "together":
            self._add("up", "up", "--port", str(self.ports["up"]))
            return
        for service in SERVICES:
            self._add(service, "run", service, "--port", str(self.ports[service]))

    def _add(self, name: str, *arguments: str) -> None:
        self.processes[name] = Process(
            name, arguments, environment=self.environment, folder=self.folder, history=self.history
        )


@contextmanager
def running(
    folder: Path,
    kind: Kind,
    *,
    layout: Layout = "apart",
    settings: Mapping[str, str] | None = None,
    disk_megabytes: int | None = None,
    started: Sequence[str] = SERVICES,
) -> Iterator[Stack]:
    """Give a running suite in a folder of its own; raises ServerUnavailable where the machine lacks a server.

    With `disk_megabytes` the log and the databases are on small disks of their own (`disks`). Of services
    that run apart only those that are to be `started` do; the processes of the others may be started later.
    """
    stack = Stack(
        folder, kind, layout=layout, settings=settings, disk_megabytes=disk_megabytes, started=started
    )
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


def eventually(is_so: Callable[[], bool], *, within_seconds: float = 30) -> float:
    """Return once something is so, and tell how many seconds that took; fails when it never is."""
    began = time.monotonic()
    while True:
        with suppress(OSError):
            if is_so():
                return time.monotonic() - began
        assert time.monotonic() - began < within_seconds, f"not within {within_seconds} s: {is_so.__name__}"
        time.sleep(0.05)
