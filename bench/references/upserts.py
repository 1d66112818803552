"""The databases' own limit for rolling up: 500 events at a time, an inbox row each, counts added in memory, one upsert.

This is what analytics would cost if it did nothing but write: no log, no decoding, no cases to be kept, one rollup.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final
from uuid import uuid4

import asyncpg

from bench.texts import SEED

BATCH: Final = 500
_TABLES: Final = """
CREATE TABLE seen (event_id text PRIMARY KEY);
CREATE TABLE rollup (day text NOT NULL, kind text NOT NULL, channel text NOT NULL, unit text NOT NULL,
  count bigint NOT NULL, PRIMARY KEY (day, kind, channel, unit));
"""
_SEEN: Final = (
    "INSERT INTO seen SELECT unnest($1::text[]) ON CONFLICT (event_id) DO NOTHING RETURNING event_id"
)
_ROLL_UP: Final = """
INSERT INTO rollup SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
ON CONFLICT (day, kind, channel, unit) DO UPDATE SET count = rollup.count + excluded.count
"""
_SQLITE_ROLL_UP: Final = """
INSERT INTO rollup VALUES (?, ?, ?, ?, ?)
ON CONFLICT (day, kind, channel, unit) DO UPDATE SET count = count + excluded.count
"""

Event = tuple[str, tuple[str, str, str, str]]


def events(count: int) -> list[Event]:
    """Return events, each with an id and the four names it is counted under."""
    chance = Random(SEED)
    return [
        (
            uuid4().hex,
            (
                f"2026-11-{chance.randrange(1, 29):02}",
                f"kind-{chance.randrange(6)}",
                f"channel-{chance.randrange(8)}",
                f"unit-{chance.randrange(12)}",
            ),
        )
        for _ in range(count)
    ]


def postgresql_rate(url: str, count: int) -> float:
    """Return the events per second that PostgreSQL takes on a database without these tables."""
    return asyncio.run(_postgresql_rate(url, count))


def sqlite_rate(path: Path, count: int) -> float:
    """Return the events per second that a new SQLite file takes, each batch durable."""
    given = events(count)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;" + _TABLES)
        connection.execute("PRAGMA synchronous=FULL")
        began = perf_counter()
        for first in range(0, count, BATCH):
            batch = given[first : first + BATCH]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO seen VALUES (?) ON CONFLICT DO NOTHING", [(each[0],) for each in batch]
            )
            rows = [(*names, number) for names, number in sorted(_counted(batch).items())]
            connection.executemany(_SQLITE_ROLL_UP, rows)
            connection.execute("COMMIT")
        return count / (perf_counter() - began)


async def _postgresql_rate(url: str, count: int) -> float:
    given = events(count)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_TABLES)
        began = perf_counter()
        for first in range(0, count, BATCH):
            batch = given[first : first + BATCH]
            async with connection.transaction():
                await connection.fetch(_SEEN, [each[0] for each in batch])
                counted = sorted(_counted(batch).items())
                names = [list(column) for column in zip(*(found for found, _ in counted), strict=True)]
                await connection.execute(_ROLL_UP, *names, [number for _, number in counted])
        return count / (perf_counter() - began)
    finally:
        await connection.close()


def _counted(batch: Sequence[Event]) -> Counter[tuple[str, str, str, str]]:
    return Counter(names for _, names in batch)
