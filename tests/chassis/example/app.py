"""The wiring of the example service."""

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import Field
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Reading, Writing
from huiyin_chassis.service import Service
from tests.chassis.example.models import metadata, notes

router = APIRouter()


async def write_note(tx: AsyncConnection, note_id: str, *, body: str = "hello") -> None:
    """Insert one note."""
    await tx.execute(
        insert(notes).values(id=note_id, body=body, likes=0, extra={"a": [1]}, written_at=utc_now())
    )


async def count_notes(tx: AsyncConnection) -> int:
    """Count all notes."""
    return (await tx.execute(select(func.count()).select_from(notes))).scalar_one()


@router.post("/v1/notes/{note_id}", status_code=201)
async def post_note(note_id: Annotated[str, Field(max_length=64)], tx: Writing) -> dict[str, str]:
    """Write a note."""
    await write_note(tx, note_id)
    if note_id == "refused":
        raise HTTPException(409, "refused")
    return {"id": note_id}


@router.get("/v1/notes")
async def get_notes(tx: Reading) -> dict[str, int]:
    """Count the notes."""
    return {"count": await count_notes(tx)}


SERVICE = Service(
    name="example", router=router, metadata=metadata, migrations=Path(__file__).parent / "migrations"
)
