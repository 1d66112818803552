"""The inbox: which events a group has taken. The claim and the effects are one transaction, so each happens once."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import bindparam, delete, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from huiyin_eventbus.columns import UtcDateTime
from huiyin_eventbus.rows import bind_rows, insert_into, rows_of
from huiyin_eventbus.tables import inbox

CHUNK: Final = 1000
"""Entries deleted at once: some milliseconds, which on SQLite are the event loop's."""
_IDS: Final[Mapping[str, type]] = {"event_id": str}


async def claim_events(tx: AsyncConnection, group: str, ids: Iterable[str], *, now: datetime) -> set[str]:
    """Enter events in the inbox and return those that are new to the group; never commits.

    On PostgreSQL it waits for another transaction that is claiming one of them.
    """
    dialect = tx.dialect.name
    # Sorted, so that two transactions that claim the same events wait for each other instead of deadlocking.
    rows = [(event_id,) for event_id in sorted(set(ids))]
    values = {"grp": group, "seen_at": now, **bind_rows(dialect, _IDS, rows)}
    return set((await tx.execute(_claim(dialect), values)).scalars())


async def forget_seen(tx: AsyncConnection, *, before: datetime, limit: int = CHUNK) -> int:
    """Delete at most `limit` entries older than `before` and return how many; never commits."""
    entry = tuple_(inbox.c.grp, inbox.c.event_id)
    old = select(inbox.c.grp, inbox.c.event_id).where(inbox.c.seen_at < before).limit(limit)
    gone = await tx.execute(delete(inbox).where(entry.in_(old)))
    return gone.rowcount


async def forget_inbox(tx: AsyncConnection, group: str) -> int:
    """Delete a group's whole inbox and return how many events it had seen; never commits.

    Only for a rebuild: with offsets rewound, every event will take effect again, so the group's own tables and its
    outbox of earlier effects must be empty or belong to a new version.
    """
    return (await tx.execute(delete(inbox).where(inbox.c.grp == group))).rowcount


@cache
def _claim(dialect: str) -> ReturningInsert[Any]:
    given = rows_of(dialect, _IDS)
    wanted = select(
        bindparam("grp", type_=inbox.c.grp.type), given.c.event_id, bindparam("seen_at", type_=UtcDateTime)
    ).where(true())
    statement = insert_into(dialect, inbox).from_select(["grp", "event_id", "seen_at"], wanted)
    return statement.on_conflict_do_nothing().returning(inbox.c.event_id)
