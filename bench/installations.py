"""An installation of Huiyin to measure: its own data folder or databases, its own log, and the processes that run on it."""

import secrets
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from bench.accounting import backend_seconds, cpu_seconds
from bench.children import Child, DidNotStart, base_environment, python
from bench.servers import Servers, kafka_pid
from bench.stores import PostgresqlStores, SqliteStores, Stores

SERVICES: Final = ("directory", "intake", "router", "sla", "desk", "analytics")
_PROGRAM: Final = "huiyin_chassis"


class Stack(StrEnum):
    """Database and broker, as they are told in the table."""

    SMALL = "SQLite, embedded"
    LARGE = "PostgreSQL, Kafka"


@dataclass(kw_only=True)
class Installation:
    """One installation; its processes are started with `start` and end with the run of the measure."""

    stack: Stack
    folder: Path
    environment: Mapping[str, str]
    key: str
    stores: Stores
    servers: Servers
    broker: Child | None = None
    kafka: int | None = None
    """The process id of Apache Kafka."""
    bootstrap: str = ""
    database: str = ""
    """The common beginning of the PostgreSQL databases' names."""
    children: ExitStack = field(default_factory=ExitStack)

    @property
    def header(self) -> str:
        """Return the header with the operator's key."""
        return f"Authorization: Bearer {self.key}"

    def database_url_of(self, service: str) -> str:
        """Return the URL of one service's database, as its processes have it."""
        template = self.environment.get("HUIYIN_DATABASE_URL", f"sqlite:///{self.folder}/data/{{service}}.db")
        return template.replace("{service}", service)

    def start(self, *command: str) -> Child:
        """Start a `huiyin` command that says `ready` once it is: `up`, `run intake`, `broker`."""
        child = Child(
            python(_PROGRAM, *command), folder=self.folder, environment=self.environment, ready="ready "
        )
        return self.children.enter_context(child)

    def start_intake_alone(self) -> Child:
        """Start intake without a bus."""
        child = Child(
            python("bench.subjects.intake"),
            folder=self.folder,
            environment=self.environment,
            ready="ready ",
        )
        return self.children.enter_context(child)

    def start_bare_chain(self) -> Child:
        """Start the chain's own limit on the databases of this installation; only a fresh one, and nothing beside it."""
        child = Child(
            python("bench.references.bare_chain"),
            folder=self.folder,
            environment=self.environment,
            ready="ready ",
        )
        return self.children.enter_context(child)

    def start_timed_suite(self, path: Path) -> Child:
        """Start the suite with a stopwatch on SQLite, which leaves its seconds in a file when it stops."""
        command = python("bench.subjects.suite", str(path))
        return Child(command, folder=self.folder, environment=self.environment, ready="ready ")

    def start_broker(self) -> None:
        """Start the embedded broker as a process of its own; nothing to do where Kafka runs."""
        if self.kafka is None:
            self.broker = self.start("broker", "--port", "0")
            self.bootstrap = self.broker.told

    def huiyin(self, *command: str) -> str:
        """Run a command to its end and return what it prints. Raises DidNotStart when it fails."""
        done = subprocess.run(
            python(_PROGRAM, *command),
            cwd=self.folder,
            env=base_environment() | dict(self.environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            raise DidNotStart(f"huiyin {' '.join(command)}: {done.stderr[-1500:]}")
        return done.stdout

    def database_seconds(self) -> float:
        """Return the CPU time of the databases' own processes; SQLite has none."""
        if self.stack is Stack.SMALL:
            return 0.0
        return cpu_seconds([self.servers.postgresql.pid])

    def backend_seconds(self) -> dict[str, float]:
        """Return the CPU time of PostgreSQL's backends by service; empty on SQLite."""
        if self.stack is Stack.SMALL:
            return {}
        used = backend_seconds(self.servers.postgresql.pid)
        return {name: used.get(self.database + name, 0.0) for name in SERVICES}

    def broker_seconds(self) -> float:
        """Return the CPU time of the broker's process, 0 when it runs within the suite."""
        pids = [pid for pid in (self.kafka, self.broker.pid if self.broker else None) if pid is not None]
        return cpu_seconds(pids)

    def server_pids(self) -> list[int]:
        """Return the processes of servers that this installation uses beside its own."""
        postgresql = [self.servers.postgresql.pid] if self.stack is Stack.LARGE else []
        broker = [self.broker.pid] if self.broker else []
        return [*postgresql, *broker, *([self.kafka] if self.kafka is not None else [])]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stores.close()
        self.children.close()


@contextmanager
def installation(
    stack: Stack, servers: Servers, folder: Path, *, has_bus: bool = True
) -> Iterator[Installation]:
    """Give a fresh installation whose schemas are there; everything of it ends and goes with the block.

    Without a bus there is no Kafka, and no embedded broker is ever started by itself.
    """
    folder = folder / f"installation-{secrets.token_hex(4)}"
    folder.mkdir()
    key = f"huiyin_bench_{secrets.token_hex(20)}"
    environment = {
        "HUIYIN_DATA_DIR": str(folder / "data"),
        "HUIYIN_SECRETS_DIR": str(folder),
        "HUIYIN_PORT": "0",
        "HUIYIN_BROKER_PORT": "0",
        "HUIYIN_ADMIN_KEY": key,
        "HUIYIN_LOG_LEVEL": "warning",
    }
    with ExitStack() as held:
        stores: Stores = SqliteStores(folder / "data")
        kafka, bootstrap, database = None, "", ""
        if stack is Stack.LARGE:
            template = held.enter_context(servers.databases())
            database = template.split("@/", 1)[1].split("{", 1)[0]
            environment["HUIYIN_DATABASE_URL"] = template
            stores = PostgresqlStores(template)
            if has_bus:
                server = held.enter_context(servers.kafka())
                kafka, bootstrap = kafka_pid(server), server.bootstrap
                environment["HUIYIN_KAFKA_BOOTSTRAP"] = bootstrap
        made = Installation(
            stack=stack,
            folder=folder,
            environment=environment,
            key=key,
            stores=stores,
            servers=servers,
            kafka=kafka,
            bootstrap=bootstrap,
            database=database,
        )
        made.huiyin("migrate", *(["--create"] if stack is Stack.LARGE else []))
        held.enter_context(made)
        yield made
