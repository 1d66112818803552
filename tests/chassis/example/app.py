"""The wiring of the example service: notes that hear the echo of their own events."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Reading, Writing
from huiyin_chassis.service import Check, Recount, Service
from huiyin_contracts.people import UnitChanged
from huiyin_eventbus.outbox import append
from huiyin_eventbus.subscriptions import Received, Subscriptions
from tests.chassis.example.models import metadata, notes

router = APIRouter()
subscriptions = Subscriptions()


async def write_note(tx: AsyncConnection, note_id: str, *, body: str = "hello") -> None:
    """Insert one note."""
    await tx.execute(
        insert(notes).values(id=note_id, body=body, likes=0, extra={"a": [1]}, written_at=utc_now())
    )


async def count_notes(tx: AsyncConnection) -> int:
    """Count all notes."""
    return (await tx.execute(select(func.count()).select_from(notes))).scalar_one()


def unit_changed(note_id: str, *, name: str = "a unit") -> UnitChanged:
    """Return the event that a note publishes."""
    return UnitChanged(
        unit_id=note_id, slug="unit", kind="team", names={"en": name}, revision=1, changed_at=utc_now()
    )


@subscriptions.on(UnitChanged)
async def on_unit_changed(tx: AsyncConnection, received: Sequence[Received[UnitChanged]]) -> None:
    """Like the notes that the events are about; refuse what is called poison."""
    if any(each.event.names["en"] == "poison" for each in received):
        raise ValueError("poison")
    like = notes.update().where(notes.c.id == bindparam("note")).values(likes=notes.c.likes + 1)
    await tx.execute(like, [{"note": each.event.unit_id} for each in received])


@router.post("/v1/notes/{note_id}", status_code=201)
async def post_note(note_id: str, tx: Writing, name: Annotated[str, Query()] = "a unit") -> dict[str, str]:
    """Write a note and publish it."""
    await write_note(tx, note_id)
    await append(tx, unit_changed(note_id, name=name))
    if note_id == "refused":
        raise HTTPException(409, "refused")
    return {"id": note_id}


@router.get("/v1/notes")
async def get_notes(tx: Reading) -> dict[str, int]:
    """Count the notes and the likes."""
    row = (await tx.execute(select(func.count(notes.c.id), func.coalesce(func.sum(notes.c.likes), 0)))).one()
    return {"count": row[0], "likes": row[1]}


async def _liked(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    for row in await tx.execute(select(notes.c.id, notes.c.likes)):
        yield tuple(row)


async def _each_liked_once(recount: Recount) -> list[str]:
    return [f"{note} has {likes} likes" async for note, likes in recount.facts("example.notes") if likes != 1]


async def _needs_another_service(recount: Recount) -> list[str]:
    return [str(row) async for row in recount.facts("absent.rows")]


SERVICE = Service(
    name="example",
    router=router,
    metadata=metadata,
    subscriptions=subscriptions,
    facts={"example.notes": _liked},
    checks=(Check("liked_once", _each_liked_once), Check("needs_another", _needs_another_service)),
    migrations=Path(__file__).parent / "migrations",
)
