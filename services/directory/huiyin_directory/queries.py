"""What can be read of the directory."""

from typing import Any

from sqlalchemy import Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_directory.models import made_key, person, unit


async def parents(tx: AsyncConnection) -> dict[str, str | None]:
    """Return each unit's slug with its parent's."""
    return {row.slug: row.parent for row in await tx.execute(select(unit.c.slug, unit.c.parent))}


async def find_unit(tx: AsyncConnection, slug: str) -> Row[Any] | None:
    """Return a unit's row, or None."""
    return await _one(tx, unit, slug=slug)


async def find_person(tx: AsyncConnection, person_id: str) -> Row[Any] | None:
    """Return a person's row, or None."""
    return await _one(tx, person, id=person_id)


async def find_key(tx: AsyncConnection, key_id: str) -> Row[Any] | None:
    """Return a key's row, or None."""
    return await _one(tx, made_key, id=key_id)


async def _one(tx: AsyncConnection, table: Table, **wanted: str) -> Row[Any] | None:
    found: Row[Any] | None = (await tx.execute(select(table).filter_by(**wanted))).one_or_none()
    return found
