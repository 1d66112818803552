"""Events that start, move and stop clocks.

The topics promise no order between them, so every handler only notes dated facts; what they mean is computed from all
facts of the case.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import subscribe_keys
from huiyin_chassis.clock import utc_now
from huiyin_contracts.feedback import FeedbackAttached, FeedbackClassified, FeedbackReceived
from huiyin_contracts.tickets import TicketProgressed, TicketRouted
from huiyin_eventbus.subscriptions import Received, Subscriptions
from huiyin_sla.usecases import notes
from huiyin_sla.usecases.ledger import note_facts

subscriptions: Final = Subscriptions()
subscribe_keys(subscriptions)


@subscriptions.on(FeedbackReceived)
async def on_feedback_received(tx: AsyncConnection, received: Sequence[Received[FeedbackReceived]]) -> None:
    """Start classification clocks."""
    await note_facts(tx, notes.of_received(received), now=utc_now())


@subscriptions.on(FeedbackClassified)
async def on_feedback_classified(
    tx: AsyncConnection, received: Sequence[Received[FeedbackClassified]]
) -> None:
    """Stop classification clocks, and close cases that a correction took off the desk."""
    await note_facts(tx, notes.of_classified(received), now=utc_now())


@subscriptions.on(FeedbackAttached)
async def on_feedback_attached(tx: AsyncConnection, received: Sequence[Received[FeedbackAttached]]) -> None:
    """Stop the classification clocks of feedback that joined a ticket."""
    await note_facts(tx, notes.of_attached(received), now=utc_now())


@subscriptions.on(TicketRouted)
async def on_ticket_routed(tx: AsyncConnection, received: Sequence[Received[TicketRouted]]) -> None:
    """Start response and resolution clocks at the first routing, and keep track of the department."""
    await note_facts(tx, notes.of_routed(received), now=utc_now())


@subscriptions.on(TicketProgressed)
async def on_ticket_progressed(tx: AsyncConnection, received: Sequence[Received[TicketProgressed]]) -> None:
    """Stop, pause, resume and reopen clocks."""
    await note_facts(tx, notes.of_progressed(received), now=utc_now())
