"""What the directory does: makes and changes units, people and keys, each with the event of its whole new state.

Every use case works in the caller's transaction and never commits.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import Row, Table, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import ROLES, sha256_of
from huiyin_chassis.auth import made_key as new_secret
from huiyin_chassis.etag import Precondition
from huiyin_contracts.event import Event
from huiyin_contracts.people import KeyChanged, PersonChanged, UnitChanged
from huiyin_directory import queries
from huiyin_directory.domain import SHIPPED_UNITS, is_below
from huiyin_directory.errors import (
    KeyNotFound,
    KeyRevoked,
    PersonNotFound,
    PersonUnknown,
    UnitExists,
    UnitNotFound,
    UnitUnknown,
    UnknownParent,
)
from huiyin_directory.models import made_key, person, unit
from huiyin_directory.schemas import KeyIn, PersonIn, PersonPatch, UnitIn, UnitPatch
from huiyin_eventbus.outbox import append
from huiyin_eventbus.rows import insert_into


async def seed_units(tx: AsyncConnection, *, now: datetime) -> None:
    """Make the shipped departments in an empty directory; does nothing where there is any unit."""
    if await queries.parents(tx):
        return
    for shipped in SHIPPED_UNITS:
        post = UnitIn(slug=shipped.slug, kind="department", names=dict(shipped.names))
        await _put_unit(tx, post, now=now)


async def add_unit(tx: AsyncConnection, post: UnitIn, *, now: datetime) -> Row[Any]:
    """Make a unit and return its row; raises UnitExists or UnknownParent."""
    _check_parent(post.slug, post.parent, await queries.parents(tx))
    row = await _put_unit(tx, post, now=now)
    if row is None:
        raise UnitExists(post.slug)
    return row


async def change_unit(
    tx: AsyncConnection, slug: str, patch: UnitPatch, *, if_match: Precondition, now: datetime
) -> Row[Any]:
    """Change a unit and return its row; raises UnitNotFound, UnknownParent, or a 412 Refusal when it has moved on."""
    if patch.parent is not None:
        # Two moves at once, each right by itself, could make two units each other's ancestors.
        await queries.lock_units(tx)
    row = await queries.lock_unit(tx, slug)
    if row is None:
        raise UnitNotFound(slug)
    if_match.check(row.revision)
    changes = patch.model_dump(exclude_unset=True)
    _check_parent(slug, changes.get("parent"), await queries.parents(tx))
    return await _change(tx, unit, row, changes, now=now)


async def add_person(tx: AsyncConnection, post: PersonIn, *, now: datetime) -> Row[Any]:
    """Make a person and return their row; raises UnitUnknown."""
    await _check_unit(tx, post.unit)
    values = {**post.model_dump(), "roles": list(post.roles), "active": True}
    row = await _add(tx, person, values, now=now)
    await append(tx, _person_changed(row))
    return row


async def change_person(
    tx: AsyncConnection, person_id: str, patch: PersonPatch, *, if_match: Precondition, now: datetime
) -> Row[Any]:
    """Change a person and return their row; raises PersonNotFound, UnitUnknown, or a 412 Refusal."""
    row = await queries.lock_person(tx, person_id)
    if row is None:
        raise PersonNotFound(person_id)
    if_match.check(row.revision)
    changes = patch.model_dump(exclude_unset=True, mode="json")
    await _check_unit(tx, changes.get("unit"))
    return await _change(tx, person, row, changes, now=now)


async def add_key(tx: AsyncConnection, post: KeyIn, *, now: datetime) -> tuple[Row[Any], str]:
    """Make an API key and return its row and the key itself, which is stored nowhere.

    Raises PersonUnknown or UnitUnknown for a holder or department that is not there.
    """
    if post.person_id is not None and await queries.find_person(tx, post.person_id) is None:
        raise PersonUnknown(post.person_id)
    for department in set(post.departments) - {"*"}:
        await _check_unit(tx, department)
    key = new_secret()
    granted = set(post.scopes) | (ROLES[post.role] if post.role else set())
    values = post.model_dump(exclude={"role"}) | {
        "sha256": sha256_of(key),
        "scopes": sorted(granted),
        "departments": sorted(set(post.departments)),
        "active": True,
    }
    row = await _add(tx, made_key, values, now=now)
    await append(tx, _key_changed(row))
    return row, key


async def revoke_key(tx: AsyncConnection, key_id: str, *, now: datetime) -> Row[Any]:
    """Revoke a key for good and return its row; raises KeyNotFound, or KeyRevoked when it was revoked before."""
    row = await queries.lock_key(tx, key_id)
    if row is None:
        raise KeyNotFound(key_id)
    if not row.active:
        raise KeyRevoked(key_id)
    return await _change(tx, made_key, row, {"active": False}, now=now)


async def _put_unit(tx: AsyncConnection, post: UnitIn, *, now: datetime) -> Row[Any] | None:
    """Make a unit with its event and return its row; None when the slug is taken, also by another process just now."""
    put = insert_into(tx.dialect.name, unit).on_conflict_do_nothing(index_elements=["slug"]).returning(unit)
    values = _stamped({**post.model_dump(), "active": True}, now=now)
    row: Row[Any] | None = (await tx.execute(put, values)).one_or_none()
    if row is not None:
        await append(tx, _unit_changed(row))
    return row


async def _add(tx: AsyncConnection, table: Table, values: Mapping[str, Any], *, now: datetime) -> Row[Any]:
    made = insert(table).values(_stamped(values, now=now)).returning(table)
    row: Row[Any] = (await tx.execute(made)).one()
    return row


def _stamped(values: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    return {**values, "id": str(uuid_utils.uuid7()), "revision": 1, "changed_at": now}


async def _change(
    tx: AsyncConnection, table: Table, row: Row[Any], changes: Mapping[str, Any], *, now: datetime
) -> Row[Any]:
    """Write what really changes, with a new revision and its event; a change to the same changes nothing."""
    real = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if not real:
        return row
    stamped = {**real, "revision": row.revision + 1, "changed_at": now}
    statement = update(table).where(table.c.id == row.id).values(stamped).returning(table)
    changed: Row[Any] = (await tx.execute(statement)).one()
    await append(tx, _EVENTS[table](changed))
    return changed


def _check_parent(slug: str, parent: str | None, parents: Mapping[str, str | None]) -> None:
    if parent is not None and (parent not in parents or is_below(parent, slug, parents)):
        raise UnknownParent(parent)


async def _check_unit(tx: AsyncConnection, slug: str | None) -> None:
    if slug is not None and await queries.find_unit(tx, slug) is None:
        raise UnitUnknown(slug)


def _unit_changed(row: Row[Any]) -> UnitChanged:
    return UnitChanged(unit_id=row.id, **_fields(row, UnitChanged))


def _person_changed(row: Row[Any]) -> PersonChanged:
    return PersonChanged(person_id=row.id, **_fields(row, PersonChanged))


def _key_changed(row: Row[Any]) -> KeyChanged:
    return KeyChanged(key_id=row.id, **_fields(row, KeyChanged))


def _fields(row: Row[Any], event: type[UnitChanged | PersonChanged | KeyChanged]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name in event.model_fields}


_EVENTS: Mapping[Table, Callable[[Row[Any]], Event]] = {
    unit: _unit_changed,
    person: _person_changed,
    made_key: _key_changed,
}
