"""The timeline: what happened to a ticket, in entries that are only ever added."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import uuid_utils
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.event import Contract
from huiyin_desk.models import timeline
from huiyin_eventbus.bulk import BulkInsert

_NOTHING: Final[Mapping[str, Any]] = {}


class Entry(NamedTuple):
    """One thing that happened to a ticket, in the order of the table's columns; `details` are what JSON is made of."""

    ticket_id: str
    at: datetime
    kind: str
    actor: str | None = None
    department: str | None = None
    reason: str | None = None
    text: str | None = None
    details: Mapping[str, Any] | Contract = _NOTHING


async def record(tx: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Add entries; never commits."""
    # Ids grow, so that entries of one instant keep the order in which they were given.
    await _ADD.write(tx, [(str(uuid_utils.uuid7()), *entry) for entry in entries])


_ADD: Final = BulkInsert(timeline, timeline.c.keys())
