"""What can be read of the store of feedback."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.rows import bind_rows, rows_of
from huiyin_intake.domain import NaturalKey
from huiyin_intake.models import feedback

_KEY: Final[Mapping[str, type]] = {"channel": str, "account": str, "external_id": str}


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored under a natural key."""

    feedback_id: str
    fingerprint: str


async def stored_under(tx: AsyncConnection, keys: Sequence[NaturalKey]) -> dict[NaturalKey, Stored]:
    """Return what is stored under each of these natural keys, in one statement; absent keys are left out."""
    dialect = tx.dialect.name
    given = rows_of(dialect, _KEY)
    same = and_(*(feedback.c[name] == given.c[name] for name in _KEY))
    columns = (feedback.c.id, feedback.c.fingerprint, *(feedback.c[name] for name in _KEY))
    wanted = select(*columns).select_from(given.join(feedback, same))
    rows = [(key.channel, key.account, key.external_id) for key in keys]
    found = await tx.execute(wanted, bind_rows(dialect, _KEY, rows))
    return {NaturalKey(*row[2:]): Stored(row.id, row.fingerprint) for row in found}


async def find_feedback(
    tx: AsyncConnection, feedback_id: str, *, posted_by: str | None = None
) -> Row[Any] | None:
    """Return a feedback's row (`content` is its JSON), or None; `posted_by` narrows to one poster's."""
    found: Row[Any] | None = (
        await tx.execute(visible(posted_by).where(feedback.c.id == feedback_id))
    ).one_or_none()
    return found


def visible(posted_by: str | None) -> Select[Any]:
    """Return the select of the content of all feedback, or of one poster's."""
    statement = select(feedback.c.content)
    return statement if posted_by is None else statement.where(feedback.c.posted_by == posted_by)


async def accepted_feedback(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give (id, channel, occurred_at, received_at) of every accepted feedback, for `huiyin verify`."""
    columns = (feedback.c.id, feedback.c.channel, feedback.c.occurred_at, feedback.c.received_at)
    async for row in await tx.stream(select(*columns).order_by(feedback.c.id)):
        yield tuple(row)
