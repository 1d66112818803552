"""What the directory calls its units, kept here to name departments."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_analytics.models import unit
from huiyin_contracts.people import UnitChanged
from huiyin_eventbus.rows import insert_into
from huiyin_eventbus.subscriptions import Received


async def save_units(tx: AsyncConnection, received: Sequence[Received[UnitChanged]]) -> None:
    """Keep the names of units as of their latest revision; never commits."""
    rows = [one.event.model_dump(include={"slug", "names", "revision"}) for one in received]
    put = insert_into(tx.dialect.name, unit)
    upsert = put.on_conflict_do_update(
        index_elements=["slug"],
        set_={"names": put.excluded.names, "revision": put.excluded.revision},
        where=unit.c.revision < put.excluded.revision,
    )
    await tx.execute(upsert, rows)
