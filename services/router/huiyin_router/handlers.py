"""Events the router takes."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import subscribe_keys
from huiyin_chassis.clock import utc_now
from huiyin_contracts.feedback import FeedbackReceived
from huiyin_contracts.people import UnitChanged
from huiyin_contracts.tickets import TicketProgressed
from huiyin_eventbus.subscriptions import Received, Subscriptions
from huiyin_router.usecases import classify, follow, units

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


@subscriptions.on(TicketProgressed)
async def on_ticket_progressed(tx: AsyncConnection, received: Sequence[Received[TicketProgressed]]) -> None:
    """Follow which tickets are open, and route those anew that were returned."""
    await follow.follow_tickets(tx, received, now=utc_now())
