"""The real servers of a run: PostgreSQL with durability on, and Apache Kafka; started when first asked for."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from tests.support.kafka import Kafka
from tests.support.postgresql import PostgreSQL

POSTGRESQL_OPTIONS: Final = (
    "max_connections=200",
    "shared_buffers=1GB",
    "work_mem=32MB",
    "max_wal_size=8GB",
    "wal_compression=on",
    "jit=off",
)
"""Everything else is as PostgreSQL comes: fsync, full_page_writes and synchronous_commit are on."""


class DurablePostgreSQL(PostgreSQL):
    """The tests' server, but one that keeps what it has committed."""

    def __init__(self) -> None:
        super().__init__(options=POSTGRESQL_OPTIONS)

    @property
    def pid(self) -> int:
        """Return the postmaster's process id."""
        assert self._process is not None
        return self._process.pid

    def pgbench(self, database: str, *arguments: str) -> str:
        """Run pgbench on a database to its end and return what it prints."""
        command = [self._program("pgbench"), "-h", str(self.folder), "-U", "postgres", *arguments, database]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout


class Servers:
    """What a run has started; `close` ends all of it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._postgresql: DurablePostgreSQL | None = None
        self._numbers = count(1)

    @property
    def postgresql(self) -> DurablePostgreSQL:
        """Return the server, started on the first call. Raises ServerUnavailable."""
        if self._postgresql is None:
            self._postgresql = self._stack.enter_context(DurablePostgreSQL())
        return self._postgresql

    @contextmanager
    def databases(self) -> Iterator[str]:
        """Give a URL template with `{service}` in it; what is made under it is dropped afterwards."""
        with self.postgresql.databases() as template:
            yield template

    @contextmanager
    def kafka(self) -> Iterator[Kafka]:
        """Give an Apache Kafka of one's own with an empty log. Raises ServerUnavailable."""
        with Kafka() as server:
            yield server

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()


def kafka_pid(server: Kafka) -> int:
    """Return the process id of a Kafka."""
    process = server._process  # noqa: SLF001 - of our own tests' support
    assert process is not None
    return process.pid


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def version_of(program: Path) -> str:
    """Return what a program says of its version."""
    return subprocess.run(
        [str(program), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
