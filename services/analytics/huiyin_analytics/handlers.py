"""Events analytics takes: all that say something of a case, the names of units, and API keys."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_analytics.domain.facts import CASE_EVENTS
from huiyin_analytics.usecases import folding, names
from huiyin_chassis.auth import subscribe_keys
from huiyin_contracts.people import UnitChanged
from huiyin_eventbus.subscriptions import Received, Subscriptions

subscriptions: Final = Subscriptions()
subscribe_keys(subscriptions)


async def on_case_event(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Count what an event says of its case."""
    await folding.fold_events(tx, received)


for _event in CASE_EVENTS:
    subscriptions.on(_event)(on_case_event)


@subscriptions.on(UnitChanged)
async def on_unit_changed(tx: AsyncConnection, received: Sequence[Received[UnitChanged]]) -> None:
    """Keep the names of units."""
    await names.save_units(tx, received)
