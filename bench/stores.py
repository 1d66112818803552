"""Looks into the services' databases from outside, to see whether everything is published and taken."""

import asyncio
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any, Final, Protocol

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

_LOOK_SECONDS: Final = 0.15
_PATIENCE_SECONDS: Final = 1800
_OFFSETS: Final = "SELECT topic, part, next_offset FROM consumer_offset"
_WAITING: Final = "SELECT seq FROM outbox LIMIT 1"

Row = tuple[Any, ...]
Offsets = dict[TopicPartition, int]


class NotSettled(Exception):
    """Events were still on their way when patience ended."""


class Stores(Protocol):
    """The databases of one installation, read-only."""

    def rows(self, service: str, statement: str) -> list[Row]:
        """Return the rows of a statement on one service's database."""

    def forget(self, service: str) -> None:
        """Let go of one service's database, which may then be dropped."""

    def close(self) -> None:
        """Close what was opened."""


class SqliteStores:
    """A SQLite file per service."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def rows(self, service: str, statement: str) -> list[Row]:
        """Open, ask, and close: an open reader would keep the write-ahead log from being cut."""
        url = f"file:{self._folder / service}.db?mode=ro"
        with closing(sqlite3.connect(url, uri=True, timeout=10)) as connection:
            return connection.execute(statement).fetchall()

    def forget(self, service: str) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is open."""


class PostgresqlStores:
    """A PostgreSQL database per service; one connection each, kept open."""

    def __init__(self, template: str) -> None:
        self._template = template
        self._runner = asyncio.Runner()
        self._connections: dict[str, asyncpg.Connection] = {}

    def rows(self, service: str, statement: str) -> list[Row]:
        """Ask one database."""
        return [tuple(row) for row in self._runner.run(self._fetch(service, statement))]

    def forget(self, service: str) -> None:
        """Close the connection to one database."""
        if service in self._connections:
            self._runner.run(self._connections.pop(service).close())

    def close(self) -> None:
        """Close all connections."""
        for service in list(self._connections):
            self.forget(service)
        self._runner.close()

    async def _fetch(self, service: str, statement: str) -> list[Any]:
        if service not in self._connections:
            self._connections[service] = await asyncpg.connect(self._template.replace("{service}", service))
        found: list[Any] = await self._connections[service].fetch(statement)
        return found


def await_settled(stores: Stores, services: Iterable[str], *, bootstrap: str) -> float:
    """Block until nothing is on its way between the services; return when, on the monotonic clock, that began to be so.

    Settled: every outbox is empty and every group has read all topics it reads to their ends. The log is asked only
    when the databases stand still, so that looking costs little. Raises NotSettled.
    """
    names, ends = list(services), monotonic() + _PATIENCE_SECONDS
    before, since = _looked(stores, names), monotonic()
    while monotonic() < ends:
        time.sleep(_LOOK_SECONDS)
        began = monotonic()
        now = _looked(stores, names)
        if now is None or now != before:
            before, since = now, began
        elif asyncio.run(_are_ends(bootstrap, now)):
            return since
    raise NotSettled(f"after {_PATIENCE_SECONDS} s: {before}")


def is_settled(stores: Stores, service: str, *, bootstrap: str) -> bool:
    """Return whether one service has taken all there is for it, and published all that came of it."""
    found = _looked(stores, [service])
    return found is not None and asyncio.run(_are_ends(bootstrap, found))


def progress(stores: Stores, service: str) -> int:
    """Return how many events one service has taken since its database is there."""
    return sum(_offsets(stores, service).values())


def await_published(stores: Stores, service: str) -> None:
    """Block until one service's outbox is empty. Raises NotSettled."""
    ends = monotonic() + _PATIENCE_SECONDS
    while _has_waiting(stores, service):
        if monotonic() > ends:
            raise NotSettled(f"{service} still has an outbox after {_PATIENCE_SECONDS} s")
        time.sleep(_LOOK_SECONDS)


def _looked(stores: Stores, services: Sequence[str]) -> list[Offsets] | None:
    """Return where each service's group stands, None while one of them has something to publish."""
    if any(_has_waiting(stores, service) for service in services):
        return None
    return [_offsets(stores, service) for service in services]


def _has_waiting(stores: Stores, service: str) -> bool:
    return bool(stores.rows(service, _WAITING))


def _offsets(stores: Stores, service: str) -> Offsets:
    return {TopicPartition(topic, part): offset for topic, part, offset in stores.rows(service, _OFFSETS)}


async def _are_ends(bootstrap: str, groups: Sequence[Offsets]) -> bool:
    """Return whether all groups stand at the ends of the log."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        places = sorted({place for offsets in groups for place in offsets})
        ends = await consumer.end_offsets(places)
        return all(ends[place] == offset for offsets in groups for place, offset in offsets.items())
    finally:
        await consumer.stop()
