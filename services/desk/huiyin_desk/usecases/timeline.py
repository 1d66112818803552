"""The timeline: what happened to a ticket, in entries that are only ever added."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_desk.models import timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened to a ticket."""

    ticket_id: str
    at: datetime
    kind: str
    actor: str | None = None
    department: str | None = None
    reason: str | None = None
    text: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


async def record(tx: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Add entries; never commits."""
    if entries:
        # Ids grow, so that entries of one instant keep the order in which they were given.
        rows = [{**asdict(entry), "id": str(uuid_utils.uuid7())} for entry in entries]
        await tx.execute(insert(timeline), rows)
