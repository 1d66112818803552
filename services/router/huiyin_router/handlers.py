"""Events the router takes."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import subscribe_keys
from huiyin_chassis.clock import utc_now
from huiyin_contracts.feedback import FeedbackReceived
from huiyin_contracts.people import UnitChanged
from huiyin_eventbus.subscriptions import Received, Subscriptions
from huiyin_router.usecases import classify, units

subscriptions: Final = Subscriptions()
subscribe_keys(subscriptions)


@subscriptions.on(UnitChanged)
async def on_unit_changed(tx: AsyncConnection, received: Sequence[Received[UnitChanged]]) -> None:
    """Keep which units take tickets."""
    await units.save_units(tx, received)


@subscriptions.on(FeedbackReceived)
async def on_feedback_received(tx: AsyncConnection, received: Sequence[Received[FeedbackReceived]]) -> None:
    """Give every feedback its outcome."""
    await classify.classify_feedback(tx, received, now=utc_now())
