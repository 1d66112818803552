"""What the directory says of units and people, kept here to check and to show."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.people import PersonChanged, UnitChanged
from huiyin_desk.models import person, unit
from huiyin_eventbus.rows import insert_into
from huiyin_eventbus.subscriptions import Received


async def save_units(tx: AsyncConnection, received: Sequence[Received[UnitChanged]]) -> None:
    """Keep units as of their latest revision."""
    rows = [one.event.model_dump(include={"slug", "names", "active", "revision"}) for one in received]
    await _save_latest(tx, unit, key="slug", rows=rows)


async def save_people(tx: AsyncConnection, received: Sequence[Received[PersonChanged]]) -> None:
    """Keep people as of their latest revision."""
    rows = [
        {"id": one.event.person_id, **one.event.model_dump(include={"name", "unit", "active", "revision"})}
        for one in received
    ]
    await _save_latest(tx, person, key="id", rows=rows)


async def _save_latest(
    tx: AsyncConnection, table: Table, *, key: str, rows: Sequence[dict[str, Any]]
) -> None:
    put = insert_into(tx.dialect.name, table)
    upsert = put.on_conflict_do_update(
        index_elements=[key],
        set_={name: put.excluded[name] for name in rows[0] if name != key},
        where=table.c.revision < put.excluded.revision,
    )
    await tx.execute(upsert, rows)
