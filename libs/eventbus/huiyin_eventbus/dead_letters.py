"""Dead letters: events that no retry will help, kept as rows until someone redrives or discards them.

They are rows and not a topic, because rows can be searched and erased. A redrive goes to the retries of the one group
that failed, never back to the topic, where every other group would see the event again. Nothing here commits.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus import headers, parking
from huiyin_eventbus.deliveries import Delivery, RawRecord
from huiyin_eventbus.errors import DeadLetterNotFound, DeadLetterNotOpen
from huiyin_eventbus.failures import describe
from huiyin_eventbus.rows import insert_into
from huiyin_eventbus.tables import dead_letter

State = Literal["open", "redriven", "discarded"]
MOST: Final = 500
"""Dead letters that one call lists or redrives."""
_LONGEST_SHOWN: Final = 64
_PERSONAL: Final = frozenset(
    {
        "address", "answer", "author", "body", "email", "extra", "name", "names", "note", "order_id", "phone",
        "sha256", "subject", "summary", "text",
    }
)  # fmt: skip
_table: Final = dead_letter.c


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is known of a dead letter, without the event's content."""

    id: int
    group: str
    event_id: str
    topic: str
    partition: int
    offset: int
    key: str
    error_class: str
    error_text: str
    attempts: int
    first_at: datetime
    last_at: datetime
    state: State
    actor: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class OpenedDeadLetter:
    """A dead letter with its headers and the event's data, what could be a customer's words masked by its length."""

    letter: DeadLetter
    headers: dict[str, str]
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which dead letters: those that fit everything given."""

    group: str | None = None
    topic: str | None = None
    state: State | None = None
    error_class: str | None = None
    key: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the filter as SQL."""
        wanted = {
            _table.grp: self.group,
            _table.topic: self.topic,
            _table.state: self.state,
            _table.error_class: self.error_class,
            _table.key: self.key,
        }
        return [column == value for column, value in wanted.items() if value is not None]


async def bury(
    tx: AsyncConnection, group: str, dead: Sequence[tuple[Delivery, Exception, int]], *, now: datetime
) -> None:
    """Store dead letters (delivery, error, attempts); one that dies again is open again."""
    if not dead:
        return
    rows = [_row(group, delivery, error, attempts=attempts, now=now) for delivery, error, attempts in dead]
    statement = insert_into(tx.dialect.name, dead_letter)
    new = statement.excluded
    again = {
        "error_class": new.error_class,
        "error_text": new.error_text,
        "attempts": _table.attempts + new.attempts,
        "last_at": new.last_at,
        "state": "open",
        "actor": None,
        "reason": None,
    }
    await tx.execute(statement.on_conflict_do_update(index_elements=["grp", "event_id"], set_=again), rows)


async def list_dead_letters(
    tx: AsyncConnection, wanted: Filter | None = None, *, after: int = 0, limit: int = 50
) -> list[DeadLetter]:
    """Return dead letters in order of id, from the one after `after` on; at most `MOST`."""
    conditions = (wanted or Filter()).conditions()
    found = await tx.execute(
        select(dead_letter).where(_table.id > after, *conditions).order_by(_table.id).limit(min(limit, MOST))
    )
    return [_letter(row) for row in found]


async def show_dead_letter(tx: AsyncConnection, dead_letter_id: int) -> OpenedDeadLetter:
    """Return a dead letter with every string of its data that could be a customer's words masked.

    Raises DeadLetterNotFound.
    """
    row = await _find(tx, dead_letter_id)
    shown = {name: value.decode("utf-8", "replace") for name, value in headers.from_text(row.headers)}
    return OpenedDeadLetter(_letter(row), shown, mask(_parsed(row.body)))


async def redrive_dead_letter(tx: AsyncConnection, dead_letter_id: int, *, actor: str, now: datetime) -> None:
    """Have a dead letter tried again by its group. Raises DeadLetterNotFound, DeadLetterNotOpen."""
    row = await _find(tx, dead_letter_id)
    if not await _close(tx, [row.id], state="redriven", actor=actor, reason=None, now=now):
        raise DeadLetterNotOpen(dead_letter_id, state=row.state)
    await _requeue(tx, row, now=now)


async def redrive_dead_letters(
    tx: AsyncConnection, wanted: Filter, *, actor: str, now: datetime, limit: int = MOST
) -> int:
    """Have the oldest open dead letters that fit tried again; return how many, at most `MOST` (call again for more)."""
    found = await tx.execute(
        select(dead_letter)
        .where(_table.state == "open", *wanted.conditions())
        .order_by(_table.id)
        .limit(min(limit, MOST))
    )
    rows = found.all()
    closed = set(
        await _close(tx, [row.id for row in rows], state="redriven", actor=actor, reason=None, now=now)
    )
    for row in rows:
        if row.id in closed:
            await _requeue(tx, row, now=now)
    return len(closed)


async def discard_dead_letter(
    tx: AsyncConnection, dead_letter_id: int, *, reason: str, actor: str, now: datetime
) -> None:
    """Give a dead letter up, for a reason. Raises DeadLetterNotFound, DeadLetterNotOpen."""
    row = await _find(tx, dead_letter_id)
    if not await _close(tx, [row.id], state="discarded", actor=actor, reason=reason, now=now):
        raise DeadLetterNotOpen(dead_letter_id, state=row.state)


def mask(data: Any) -> Any:
    """Return JSON data with free text replaced by its length: what has spaces, is long or is not plain ASCII.

    What stands under a name of personal data or of a secret is masked whatever it looks like: `Wang` could be an id.
    """
    if isinstance(data, dict):
        return {name: _masked(value) if name in _PERSONAL else mask(value) for name, value in data.items()}
    if isinstance(data, list):
        return [mask(value) for value in data]
    if isinstance(data, str) and not _is_plain(data):
        return f"<{len(data)} characters>"
    return data


def _masked(data: Any) -> Any:
    """Return JSON data with every string and number replaced; its shape stays."""
    if isinstance(data, dict):
        return {name: _masked(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_masked(value) for value in data]
    return data if data is None or isinstance(data, bool) else f"<{len(str(data))} characters>"


def _is_plain(text: str) -> bool:
    """Return whether a string looks like an id, slug or time; digits alone could be a phone or card number."""
    return (
        len(text) <= _LONGEST_SHOWN
        and text.isascii()
        and text.isprintable()
        and not any(each in text for each in " @")
        and not text.lstrip("+").isdigit()
    )


async def _find(tx: AsyncConnection, dead_letter_id: int) -> Row[Any]:
    row = (await tx.execute(select(dead_letter).where(_table.id == dead_letter_id))).first()
    if row is None:
        raise DeadLetterNotFound(dead_letter_id)
    return row


async def _close(
    tx: AsyncConnection, ids: Sequence[int], *, state: State, actor: str, reason: str | None, now: datetime
) -> Sequence[int]:
    """Take open dead letters out of the open state and return which: two operators cannot both have one."""
    closed = await tx.execute(
        update(dead_letter)
        .where(_table.id.in_(ids), _table.state == "open")
        .values(state=state, actor=actor, reason=reason, last_at=now)
        .returning(_table.id)
    )
    return list(closed.scalars())


async def _requeue(tx: AsyncConnection, row: Row[Any], *, now: datetime) -> None:
    record = RawRecord(
        row.topic, row.part, row.off, row.key.encode(), headers.from_text(row.headers), row.body
    )
    await parking.requeue(tx, row.grp, record, event_id=row.event_id, key=row.key, now=now)


def _row(group: str, delivery: Delivery, error: Exception, *, attempts: int, now: datetime) -> dict[str, Any]:
    return {
        "grp": group,
        "event_id": delivery.event_id,
        "topic": delivery.record.topic,
        "part": delivery.record.partition,
        "off": delivery.record.offset,
        "key": delivery.key,
        "headers": headers.to_text(delivery.record.headers),
        "body": delivery.record.body,
        "error_class": type(error).__name__,
        "error_text": describe(error),
        "attempts": attempts,
        "first_at": now,
        "last_at": now,
        "state": "open",
    }


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        group=row.grp,
        event_id=row.event_id,
        topic=row.topic,
        partition=row.part,
        offset=row.off,
        key=row.key,
        error_class=row.error_class,
        error_text=row.error_text,
        attempts=row.attempts,
        first_at=row.first_at,
        last_at=row.last_at,
        state=row.state,
        actor=row.actor,
        reason=row.reason,
    )


def _parsed(body: bytes | None) -> Any:
    try:
        return json.loads(body or b"null")
    except ValueError:
        return {"bytes_that_are_not_json": len(body or b"")}
