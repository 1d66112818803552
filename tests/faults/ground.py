"""What a suite stands on: folders, databases, Kafka, small disks, ports and settings, and how outsiders look at them."""

import os
import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Literal

from confluent_kafka import Consumer, TopicPartition

from tests.faults.disks import Disk
from tests.support.kafka import Kafka
from tests.support.postgresql import OUTLIVES_A_KILL, SMALL_LOG, PostgreSQL
from tests.support.servers import free_ports
from tests.support.suite import SERVICES

Kind = Literal["sqlite-embedded", "postgresql-kafka"]

SQLITE: Kind = "sqlite-embedded"
POSTGRESQL: Kind = "postgresql-kafka"
KINDS: tuple[Kind, ...] = (SQLITE, POSTGRESQL)
ADMIN_KEY = "admin-key-of-the-fault-tests-000000000"


class Ground:
    """Folders, servers and settings of one suite; `prepare` makes and starts them, `clear` removes them.

    `environment` is what every process of the suite runs with, from `prepare` on. With `disk_megabytes` there are small
    `disks`: `broker` under the log, and one under each service's SQLite file, or a larger one, `postgresql`, under all of
    the server's databases.
    """

    def __init__(
        self,
        folder: Path,
        kind: Kind,
        *,
        settings: Mapping[str, str] | None = None,
        disk_megabytes: int | None = None,
    ) -> None:
        self.folder = folder
        self.kind = kind
        self.postgresql: PostgreSQL | None = None
        self.kafka: Kafka | None = None
        self.environment: dict[str, str] = {}
        self.disks: dict[str, Disk] = {}
        self.ports = dict(zip((*SERVICES, "up", "broker"), free_ports(len(SERVICES) + 2), strict=True))
        self._given = dict(settings or {})
        self._disk_megabytes = disk_megabytes
        self._exit = ExitStack()

    @property
    def data_dir(self) -> Path:
        """Return the suite's data folder: the embedded broker's store is in it, the databases are elsewhere."""
        return self.folder / "data"

    def database_folder(self, service: str) -> Path:
        """Return the folder of one service's SQLite file, which it has for itself."""
        return self.folder / "databases" / service

    def database_file(self, service: str) -> Path:
        """Return one service's SQLite file."""
        return self.database_folder(service) / f"{service}.db"

    @property
    def bootstrap(self) -> str:
        """Return the address of the Kafka in use."""
        return self.kafka.bootstrap if self.kafka else f"127.0.0.1:{self.ports['broker']}"

    def prepare(self) -> None:
        """Make folders, start databases and Kafka, and none of the suite's own processes; `command` works from here on."""
        for folder in (self.data_dir, *map(self.database_folder, SERVICES)):
            folder.mkdir(parents=True, exist_ok=True)
        self._mount_disks()
        self._start_servers()
        self.environment = self._settings()

    def clear(self) -> None:
        """Remove the servers and the disks."""
        self._exit.close()

    def connections(self) -> dict[str, str]:
        """Return each service's database as outsiders open it: a file's path, or a `postgresql://` address."""
        if self.postgresql is None:
            return {service: str(self.database_file(service)) for service in SERVICES}
        template = self.environment["HUIYIN_DATABASE_URL"]
        return {service: template.replace("{service}", service) for service in SERVICES}

    def rows(self, service: str, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query on one service's database; on PostgreSQL every value is a string."""
        if self.postgresql is None:
            address = f"file:{self.database_file(service)}?mode=ro"
            with closing(sqlite3.connect(address, uri=True, timeout=10)) as connection:
                return connection.execute(statement).fetchall()
        database = self.connections()[service].partition("?")[0].rpartition("/")[2]
        said = self.postgresql.psql(statement, database=database)
        return [tuple(line.split("|")) for line in said.splitlines()]

    def _mount_disks(self) -> None:
        if self._disk_megabytes is None or self.kind == POSTGRESQL:
            return
        folders = {"broker": self.data_dir} | {name: self.database_folder(name) for name in SERVICES}
        for name, folder in folders.items():
            self._mount(name, folder, megabytes=self._disk_megabytes)

    def _start_servers(self) -> None:
        if self.kind != POSTGRESQL:
            return
        few = self._disk_megabytes
        self.postgresql = PostgreSQL(options=(*OUTLIVES_A_KILL, *(SMALL_LOG if few else ())))
        self._exit.push(self.postgresql)
        self.kafka = Kafka()
        self._exit.push(self.kafka)
        if few:
            self._mount("postgresql", self.postgresql.data_folder, megabytes=few * len(SERVICES))
            self._mount("broker", self.kafka.log_folder, megabytes=few)
            # Before its disk goes, which it could not stop in order on.
            self._exit.callback(self.postgresql.kill)
            self._exit.callback(self.kafka.kill)
        self.postgresql.start()
        self.kafka.start()

    def _mount(self, name: str, folder: Path, *, megabytes: int) -> None:
        disk = Disk(folder, megabytes=megabytes)
        disk.mount()
        self._exit.callback(disk.unmount)
        self.disks[name] = disk

    def _settings(self) -> dict[str, str]:
        databases = f"sqlite:///{self.database_folder('{service}')}/{{service}}.db"
        if self.postgresql is not None:
            databases = self.postgresql.url("{service}", driver="postgresql")
        kafka = {"HUIYIN_KAFKA_BOOTSTRAP": self.kafka.bootstrap} if self.kafka else {}
        return {
            "PATH": os.environ["PATH"],
            "PYTHONWARNINGS": "error",
            "HUIYIN_DATA_DIR": str(self.data_dir),
            "HUIYIN_DATABASE_URL": databases,
            "HUIYIN_BROKER_PORT": str(self.ports["broker"]),
            "HUIYIN_ADMIN_KEY": ADMIN_KEY,
            "HUIYIN_LOG_LEVEL": "info",
            "NO_COLOR": "1",
            **kafka,
            **self._given,
        }


def log_ends(bootstrap: str) -> dict[tuple[str, int], int]:
    """Return where every partition of the log ends; raises KafkaException when the broker is out of reach."""
    quiet = {"bootstrap.servers": bootstrap, "group.id": "fault-tests", "log_level": 0}
    reader = Consumer(quiet)
    try:
        topics = reader.list_topics(timeout=5).topics
        return {
            (name, number): reader.get_watermark_offsets(TopicPartition(name, number), timeout=5)[1]
            for name, topic in topics.items()
            if not name.startswith("__")
            for number in topic.partitions
        }
    finally:
        reader.close()
