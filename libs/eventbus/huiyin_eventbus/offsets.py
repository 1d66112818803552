"""Where a group reads on. Kept beside the effects; what Kafka knows of it is only a mirror for its tools.

Every move is a compare-and-set on the offset and the epoch it was read with: a consumer that lost its partition without
noticing moves nothing, and all it did in that transaction is rolled back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from types import SimpleNamespace
from typing import Any, Final

from aiokafka import TopicPartition
from sqlalchemy import Update, bindparam, literal, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from huiyin_eventbus.columns import UtcDateTime
from huiyin_eventbus.errors import LostOwnership
from huiyin_eventbus.rows import bind_rows, insert_into, rows_of
from huiyin_eventbus.tables import consumer_offset

_table: Final = consumer_offset.c
_OWNED: Final[Mapping[str, type]] = {"topic": str, "part": int, "start": int}
_MOVED: Final[Mapping[str, type]] = {"topic": str, "part": int, "old": int, "new": int, "held": int}
_MOVED_ONE: Final = tuple(f"moved_{name}" for name in _MOVED)


@dataclass(frozen=True, slots=True)
class Position:
    """The next offset of a partition, and the epoch of its owner."""

    next_offset: int
    epoch: int


Positions = Mapping[TopicPartition, Position]


async def read_positions(tx: AsyncConnection, group: str) -> dict[TopicPartition, Position]:
    """Return all stored positions of a group."""
    found = await tx.execute(
        select(_table.topic, _table.part, _table.next_offset, _table.epoch).where(_table.grp == group)
    )
    return {TopicPartition(row.topic, row.part): Position(row.next_offset, row.epoch) for row in found}


async def own_partitions(
    tx: AsyncConnection, group: str, starts: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Position]:
    """Begin a new epoch on partitions and return where to read on; never commits.

    `starts` gives for each the offset to begin with where the group has none stored.
    """
    dialect = tx.dialect.name
    rows = sorted((each.topic, each.partition, start) for each, start in starts.items())
    values = {"grp": group, "now": datetime.now(UTC), **bind_rows(dialect, _OWNED, rows)}
    owned = await tx.execute(_own(dialect), values)
    return {TopicPartition(row.topic, row.part): Position(row.next_offset, row.epoch) for row in owned}


async def move_offsets(
    tx: AsyncConnection, group: str, positions: Positions, *, to: Mapping[TopicPartition, int]
) -> None:
    """Move partitions on from the positions they were read with; never commits.

    Raises LostOwnership when one of them is no longer there: the transaction must be rolled back.
    """
    rows = sorted(
        (each.topic, each.partition, positions[each].next_offset, new, positions[each].epoch)
        for each, new in to.items()
    )
    if not rows:
        return
    shared = {"moved_grp": group, "now": datetime.now(UTC)}
    if tx.dialect.name == "sqlite":
        values: Any = [{**shared, **dict(zip(_MOVED_ONE, row, strict=True))} for row in rows]
        moved = (await tx.execute(_move_one(), values)).rowcount
    else:
        values = {**shared, **bind_rows(tx.dialect.name, _MOVED, rows)}
        moved = (await tx.execute(_move_all(tx.dialect.name), values)).rowcount
    if moved != len(rows):
        raise LostOwnership(group, partitions=len(rows) - moved)


async def rewind(tx: AsyncConnection, group: str, to: Mapping[TopicPartition, int]) -> None:
    """Set where a group reads on, also while it runs; never commits.

    Its consumers notice within seconds and read from there. Events that the inbox knows change nothing; those older
    than the inbox's age (30 days) would take effect again. A rebuild forgets the inbox first (`inbox.forget_inbox`).
    """
    for each, offset in sorted(to.items()):
        statement = insert_into(tx.dialect.name, consumer_offset).values(
            grp=group,
            topic=each.topic,
            part=each.partition,
            next_offset=offset,
            epoch=1,
            updated_at=datetime.now(UTC),
        )
        await tx.execute(
            statement.on_conflict_do_update(
                index_elements=["grp", "topic", "part"],
                set_={
                    "next_offset": statement.excluded.next_offset,
                    "epoch": _table.epoch + 1,
                    "updated_at": statement.excluded.updated_at,
                },
            )
        )


@cache
def _own(dialect: str) -> ReturningInsert[Any]:
    given = rows_of(dialect, _OWNED)
    now = bindparam("now", type_=UtcDateTime)
    group = bindparam("grp", type_=_table.grp.type)
    wanted = select(group, given.c.topic, given.c.part, given.c.start, literal(1), now).where(true())
    statement = insert_into(dialect, consumer_offset).from_select(
        ["grp", "topic", "part", "next_offset", "epoch", "updated_at"], wanted
    )
    return statement.on_conflict_do_update(
        index_elements=["grp", "topic", "part"], set_={"epoch": _table.epoch + 1}
    ).returning(consumer_offset)


@cache
def _move_one() -> Update:
    # SQLite compares each partition of the group with each of a list of rows, and reads the list anew each time.
    return _moved(
        SimpleNamespace(**{name: bindparam(given) for name, given in zip(_MOVED, _MOVED_ONE, strict=True)})
    )


@cache
def _move_all(dialect: str) -> Update:
    return _moved(rows_of(dialect, _MOVED).c)


def _moved(given: Any) -> Update:
    return (
        update(consumer_offset)
        .values(next_offset=given.new, updated_at=bindparam("now", type_=UtcDateTime))
        .where(
            _table.grp == bindparam("moved_grp"),
            _table.topic == given.topic,
            _table.part == given.part,
            _table.next_offset == given.old,
            _table.epoch == given.held,
        )
    )
