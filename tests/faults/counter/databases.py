"""Plain SQL on the services' databases, whichever kind they are."""

import asyncio
import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import asyncpg

Rows = list[tuple[Any, ...]]


class Databases:
    """The databases of a suite by service: `rows` runs one query and forgets nothing it has read."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places
        self._read: dict[tuple[str, str], Rows] = {}

    @property
    def services(self) -> tuple[str, ...]:
        """Return the services that have a database here."""
        return tuple(self._places)

    def rows(self, service: str, query: str) -> Rows:
        """Return the rows of a query; raises KeyError for a service without a database."""
        known = self._read.get((service, query))
        if known is None:
            known = self._read[service, query] = _rows(self._places[service], query)
        return known


def instant(value: Any) -> datetime:
    """Return a stored time as an aware one in UTC: SQLite keeps texts without a zone."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def maybe_instant(value: Any) -> datetime | None:
    """Return a stored time, None where there is none."""
    return None if value is None else instant(value)


def _rows(place: str, query: str) -> Rows:
    if place.startswith("postgresql"):
        # In a thread of its own: the caller may be in an event loop.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: asyncio.run(_postgresql_rows(place, query))).result()
    path = place.partition(":///")[2] or place
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
        return connection.execute(query).fetchall()


async def _postgresql_rows(url: str, query: str) -> Rows:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
