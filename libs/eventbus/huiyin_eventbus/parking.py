"""The parking place: events to be tried again, with those of the same key in order behind them.

Parked events are in the inbox already; the row here is what makes each be handled once: it goes in the transaction of
its effects.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import Delete, Row, Select, bindparam, delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus import headers
from huiyin_eventbus.deliveries import RawRecord
from huiyin_eventbus.failures import describe
from huiyin_eventbus.handling import Failure, Fate
from huiyin_eventbus.rows import bind_rows, rows_of
from huiyin_eventbus.tables import retry

BATCH: Final = 100
"""Parked events per transaction: each may be as large as a record of the log."""
_KEYS: Final[Mapping[str, type]] = {"key": str}
_SEQS: Final[Mapping[str, type]] = {"seq": int}


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long a failed event waits: `base` doubled with each attempt up to `cap`, with full jitter.

    Full jitter: a random share of it, so that what failed together does not return together (AWS Architecture Blog,
    Exponential Backoff And Jitter, 2015).
    """

    base: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=15)
    attempts: int = 12

    def pause(self, attempt: int) -> timedelta:
        """Return a random wait after the given attempt, counted from 1."""
        longest = min(self.cap, self.base * 2 ** min(attempt, 30))
        return timedelta(seconds=random.uniform(0, longest.total_seconds()))  # noqa: S311  # spreads load, hides nothing


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked event that is due, or stands behind one that is."""

    seq: int
    record: RawRecord
    event_id: str
    attempt: int
    first_at: datetime


async def waiting_keys(tx: AsyncConnection, group: str, keys: Iterable[str]) -> set[str]:
    """Return those of the keys that have parked events."""
    # Mostly none has: finding that out is cheaper than looking for each key.
    if (await tx.execute(_any_parked(), {"of_grp": group})).first() is None:
        return set()
    dialect = tx.dialect.name
    values = {"of_grp": group, **bind_rows(dialect, _KEYS, [(key,) for key in sorted(set(keys))])}
    return set((await tx.execute(_waiting(dialect), values)).scalars())


async def park(
    tx: AsyncConnection, group: str, failures: Sequence[Failure], *, backoff: Backoff, now: datetime
) -> None:
    """Park events that failed for now and those behind them, in the order given; never commits."""
    rows = [_parked_row(group, each, backoff=backoff, now=now) for each in failures]
    if rows:
        await tx.execute(insert(retry), rows)


async def requeue(
    tx: AsyncConnection, group: str, record: RawRecord, *, event_id: str, key: str, now: datetime
) -> None:
    """Put a dead letter's event at the end of its key's queue, due at once; never commits."""
    row = _row(group, record, event_id=event_id, key=key, now=now)
    await tx.execute(insert(retry), [{**row, "attempt": 0, "next_at": now, "reason": "redriven"}])


async def due(tx: AsyncConnection, group: str, *, now: datetime) -> list[Parked]:
    """Return due events and those behind them, at most a batch, each key in order; locks their keys.

    Keys that another transaction is working on are left out (PostgreSQL).
    """
    locked = _due_heads().with_for_update(skip_locked=True, of=retry)
    keys = set((await tx.execute(locked, {"of_grp": group, "now": now})).scalars())
    if not keys:
        return []
    dialect = tx.dialect.name
    values = {"of_grp": group, **bind_rows(dialect, _KEYS, [(key,) for key in sorted(keys)])}
    return [_parked(row) for row in await tx.execute(_rows_of_keys(dialect), values)]


async def is_any_due(tx: AsyncConnection, group: str, *, now: datetime) -> bool:
    """Return whether a parked event that waits behind no other is due."""
    return (await tx.execute(_due_heads().limit(1), {"of_grp": group, "now": now})).first() is not None


async def finish(tx: AsyncConnection, parked: Iterable[Parked]) -> None:
    """Remove events that were handled or dead-lettered; never commits."""
    dialect = tx.dialect.name
    await tx.execute(_finish(dialect), bind_rows(dialect, _SEQS, [(each.seq,) for each in parked]))


async def postpone(
    tx: AsyncConnection, failed: Sequence[tuple[Parked, Exception]], *, backoff: Backoff, now: datetime
) -> None:
    """Give failed events their next time; never commits."""
    statement = update(retry).where(retry.c.seq == bindparam("failed_seq"))
    rows = [
        {
            "failed_seq": each.seq,
            "attempt": each.attempt + 1,
            "next_at": now + backoff.pause(each.attempt + 1),
            "reason": describe(error),
        }
        for each, error in failed
    ]
    if rows:
        await tx.execute(statement, rows)


def _parked_row(group: str, failure: Failure, *, backoff: Backoff, now: datetime) -> dict[str, Any]:
    delivery = failure.delivery
    row = _row(group, delivery.record, event_id=delivery.event_id, key=delivery.key, now=now)
    if failure.fate is Fate.BEHIND or failure.error is None:
        return {**row, "attempt": 0, "next_at": now, "reason": "behind an earlier event of its key"}
    return {**row, "attempt": 1, "next_at": now + backoff.pause(1), "reason": describe(failure.error)}


def _row(group: str, record: RawRecord, *, event_id: str, key: str, now: datetime) -> dict[str, Any]:
    return {
        "grp": group,
        "key": key,
        "event_id": event_id,
        "topic": record.topic,
        "part": record.partition,
        "off": record.offset,
        "headers": headers.to_text(record.headers),
        "body": record.body,
        "first_at": now,
    }


def _parked(row: Row[Any]) -> Parked:
    record = RawRecord(
        row.topic, row.part, row.off, row.key.encode(), headers.from_text(row.headers), row.body
    )
    return Parked(row.seq, record, row.event_id, row.attempt, row.first_at)


@cache
def _any_parked() -> Select[Any]:
    return select(retry.c.seq).where(retry.c.grp == bindparam("of_grp")).limit(1)


@cache
def _waiting(dialect: str) -> Select[Any]:
    keys = select(rows_of(dialect, _KEYS).c.key)
    return select(retry.c.key).where(retry.c.grp == bindparam("of_grp"), retry.c.key.in_(keys)).distinct()


@cache
def _due_heads() -> Select[Any]:
    earlier = retry.alias("earlier")
    has_earlier = exists().where(
        earlier.c.grp == retry.c.grp, earlier.c.key == retry.c.key, earlier.c.seq < retry.c.seq
    )
    return (
        select(retry.c.key)
        .where(retry.c.grp == bindparam("of_grp"), retry.c.next_at <= bindparam("now"), ~has_earlier)
        .order_by(retry.c.next_at)
        .limit(BATCH)
    )


@cache
def _rows_of_keys(dialect: str) -> Select[Any]:
    keys = select(rows_of(dialect, _KEYS).c.key)
    return (
        select(retry)
        .where(retry.c.grp == bindparam("of_grp"), retry.c.key.in_(keys))
        .order_by(retry.c.seq)
        .limit(BATCH)
    )


@cache
def _finish(dialect: str) -> Delete:
    return delete(retry).where(retry.c.seq.in_(select(rows_of(dialect, _SEQS).c.seq)))
