"""The timeline: what happened to a ticket, in entries that are only ever added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import uuid_utils
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_desk.models import timeline
from huiyin_eventbus.bulk import BulkInsert


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
    await _ADD.write(tx, [_row(entry) for entry in entries])


def _row(entry: Entry) -> tuple[Any, ...]:
    # Ids grow, so that entries of one instant keep the order in which they were given.
    return (
        str(uuid_utils.uuid7()),
        entry.ticket_id,
        entry.at,
        entry.kind,
        entry.actor,
        entry.department,
        entry.reason,
        entry.text,
        entry.details,
    )


_ADD: Final = BulkInsert(timeline, timeline.c.keys())
