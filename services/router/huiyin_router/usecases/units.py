"""What the directory says of units: which take tickets, and which want a topic of their own."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.people import UnitChanged
from huiyin_eventbus.rows import insert_into
from huiyin_eventbus.subscriptions import Received
from huiyin_router.models import unit


async def save_units(tx: AsyncConnection, received: Sequence[Received[UnitChanged]]) -> None:
    """Keep units as of their latest revision."""
    rows = [one.event.model_dump(include={"slug", "stream", "active", "revision"}) for one in received]
    put = insert_into(tx.dialect.name, unit)
    upsert = put.on_conflict_do_update(
        index_elements=["slug"],
        set_={name: put.excluded[name] for name in ("stream", "active", "revision")},
        where=unit.c.revision < put.excluded.revision,
    )
    await tx.execute(upsert, rows)
