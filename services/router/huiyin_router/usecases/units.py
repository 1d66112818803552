"""What the directory says of units: which take tickets, and which want a topic of their own."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.people import UnitChanged
from huiyin_contracts.vocabulary import UnitKind
from huiyin_eventbus.rows import insert_into
from huiyin_eventbus.subscriptions import Received
from huiyin_router.models import unit

_TAKING_TICKETS: Final = frozenset({UnitKind.DEPARTMENT, UnitKind.TEAM})


async def save_units(tx: AsyncConnection, received: Sequence[Received[UnitChanged]]) -> None:
    """Keep the units that take tickets, departments and teams, as of their latest revision.

    Stores and regions are where feedback comes from, not who answers it.
    """
    units = (one.event for one in received if one.event.kind in _TAKING_TICKETS)
    rows = [each.model_dump(include={"slug", "stream", "active", "revision"}) for each in units]
    if not rows:
        return
    put = insert_into(tx.dialect.name, unit)
    upsert = put.on_conflict_do_update(
        index_elements=["slug"],
        set_={name: put.excluded[name] for name in ("stream", "active", "revision")},
        where=unit.c.revision < put.excluded.revision,
    )
    await tx.execute(upsert, rows)
