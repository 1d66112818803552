"""What can be read of the directory."""

from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_directory.models import made_key, person, unit


async def parents(tx: AsyncConnection) -> dict[str, str | None]:
    """Return each unit's slug with its parent's."""
    return {row.slug: row.parent for row in await tx.execute(select(unit.c.slug, unit.c.parent))}


async def find_unit(tx: AsyncConnection, slug: str) -> Row[Any] | None:
    """Return a unit's row, or None."""
    return await _one(tx, select(unit), slug=slug)


async def lock_unit(tx: AsyncConnection, slug: str) -> Row[Any] | None:
    """Return a unit's row locked until the commit, or None."""
    return await _one(tx, select(unit).with_for_update(), slug=slug)


async def lock_units(tx: AsyncConnection) -> None:
    """Lock all units until the commit, in the order of their slugs, so that nobody else moves one meanwhile."""
    await tx.execute(select(unit.c.slug).order_by(unit.c.slug).with_for_update())


async def find_person(tx: AsyncConnection, person_id: str) -> Row[Any] | None:
    """Return a person's row, or None."""
    return await _one(tx, select(person), id=person_id)


async def lock_person(tx: AsyncConnection, person_id: str) -> Row[Any] | None:
    """Return a person's row locked until the commit, or None."""
    return await _one(tx, select(person).with_for_update(), id=person_id)


async def lock_key(tx: AsyncConnection, key_id: str) -> Row[Any] | None:
    """Return a key's row locked until the commit, or None."""
    return await _one(tx, select(made_key).with_for_update(), id=key_id)


async def _one(tx: AsyncConnection, rows: Select[Any], **wanted: str) -> Row[Any] | None:
    found: Row[Any] | None = (await tx.execute(rows.filter_by(**wanted))).one_or_none()
    return found
