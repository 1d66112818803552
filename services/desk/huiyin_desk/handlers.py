"""Events the desk takes."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import subscribe_keys
from huiyin_chassis.clock import utc_now
from huiyin_contracts.feedback import FeedbackAttached
from huiyin_contracts.people import PersonChanged, UnitChanged
from huiyin_contracts.sla import SlaBreached, SlaRetracted, SlaScheduled, SlaScheduledV2, SlaWarned
from huiyin_contracts.tickets import TicketRouted
from huiyin_desk.usecases import deadlines, dispatch, names
from huiyin_eventbus.subscriptions import Received, Subscriptions

subscriptions: Final = Subscriptions()
subscribe_keys(subscriptions)


@subscriptions.on(UnitChanged)
async def on_unit_changed(tx: AsyncConnection, received: Sequence[Received[UnitChanged]]) -> None:
    """Keep the names of units."""
    await names.save_units(tx, received)


@subscriptions.on(PersonChanged)
async def on_person_changed(tx: AsyncConnection, received: Sequence[Received[PersonChanged]]) -> None:
    """Keep the people tickets can be assigned to."""
    await names.save_people(tx, received)


@subscriptions.on(TicketRouted)
async def on_ticket_routed(tx: AsyncConnection, received: Sequence[Received[TicketRouted]]) -> None:
    """Open tickets, or move them to another department's queue."""
    await dispatch.open_tickets(tx, received, now=utc_now())


@subscriptions.on(FeedbackAttached)
async def on_feedback_attached(tx: AsyncConnection, received: Sequence[Received[FeedbackAttached]]) -> None:
    """Join further feedback to its ticket."""
    await dispatch.attach_feedback(tx, received, now=utc_now())


async def on_sla_scheduled(tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
    """Sort the queue by what is due."""
    await deadlines.schedule_clocks(tx, received)


# One handler for both: the log keeps what was told by the first contract.
for _event in (SlaScheduled, SlaScheduledV2):
    subscriptions.on(_event)(on_sla_scheduled)


@subscriptions.on(SlaWarned)
async def on_sla_warned(tx: AsyncConnection, received: Sequence[Received[SlaWarned]]) -> None:
    """Write warnings into the timeline."""
    await deadlines.note_warnings(tx, received)


@subscriptions.on(SlaBreached)
async def on_sla_breached(tx: AsyncConnection, received: Sequence[Received[SlaBreached]]) -> None:
    """Write breaches into the timeline."""
    await deadlines.note_breaches(tx, received)


@subscriptions.on(SlaRetracted)
async def on_sla_retracted(tx: AsyncConnection, received: Sequence[Received[SlaRetracted]]) -> None:
    """Write retractions into the timeline."""
    await deadlines.note_retractions(tx, received)
