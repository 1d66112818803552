"""One stream of events, heard in batches of any sizes: what a service stores must not depend on where they are cut.

The bus cuts batches by chance. Handlers do the work of a whole batch at once, so a mistake in them shows as a
difference between two cuts of one stream.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import Table, select

from huiyin_chassis.service import Service
from huiyin_contracts.event import Envelope, Event
from huiyin_eventbus.subscriptions import Received
from tests.support.service import ServiceDriver, running_service

_TIME = datetime(2026, 11, 20, 4, tzinfo=UTC)
Stored = dict[str, list[tuple[Any, ...]]]


def cuts(length: int) -> st.SearchStrategy[list[int]]:
    """Give places at which a stream of this length may be cut."""
    return st.lists(st.integers(1, length - 1), unique=True, max_size=12).map(sorted)


def received(events: Iterable[Event]) -> list[Received[Any]]:
    """Return events as the log gives them, each with an id and a sequence that are its own."""
    sequences: dict[tuple[str, str], int] = {}
    found = []
    for number, event in enumerate(events):
        place = (event.TYPE, event.key)
        sequences[place] = sequences.get(place, 0) + 1
        envelope = Envelope(
            id=f"event-{number:06}",
            source=f"/services/{event.PUBLISHER}",
            type=event.TYPE,
            time=_TIME,
            dataschema=event.schema_url(),
            sequence=sequences[place],
            data=event.model_dump_json().encode(),
        )
        found.append(Received(event, envelope, event.TYPE, 0, number, event.key))
    return found


def cut_and_whole(
    service: Service, stream: Sequence[Received[Any]], places: Sequence[int], *, tables: Sequence[Table]
) -> tuple[Stored, Stored]:
    """Return what a service stores when it hears a stream cut at these places, and when it hears it as a whole."""
    cut = asyncio.run(_stored_after(service, stream, places, tables=tables))
    return cut, asyncio.run(_stored_after(service, stream, [], tables=tables))


async def _stored_after(
    service: Service, stream: Sequence[Received[Any]], places: Sequence[int], *, tables: Sequence[Table]
) -> Stored:
    """Return what a service on an empty SQLite database stores when it hears a stream cut at these places.

    Left out are columns that say when or under which number the service itself wrote something.
    """
    with TemporaryDirectory() as folder:
        async with running_service(service, f"sqlite:///{Path(folder) / 'test.db'}") as driver:
            for start, end in pairwise([0, *places, len(stream)]):
                await _hear(driver, stream[start:end])
            return {table.name: await _rows(driver, table) for table in tables}


async def _hear(driver: ServiceDriver, batch: Sequence[Received[Any]]) -> None:
    """Hand a batch to each handler that takes some of it, as the consumer does."""
    subscriptions = driver.service.subscriptions
    assert subscriptions is not None
    async with driver.database.writing() as tx:
        for handler, types in subscriptions.by_handler().items():
            some = [one for one in batch if one.type in types]
            if some:
                await handler(tx, some)


_OWN_COLUMNS = {
    "sla_case": {"opened_at"},
    "classification": {"classified_at"},
    "ticket": {"updated_at", "version"},
    "timeline": {"id"},
}


async def _rows(driver: ServiceDriver, table: Table) -> list[tuple[Any, ...]]:
    columns = [column for column in table.c if column.name not in _OWN_COLUMNS.get(table.name, ())]
    async with driver.database.reading() as tx:
        return sorted((tuple(row) for row in await tx.execute(select(*columns))), key=repr)
