"""Speaks to sla in the words of its tests: cases that are received, routed and worked on at given times."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from huiyin_contracts.event import Event
from huiyin_contracts.feedback import FeedbackAttached, FeedbackClassified, FeedbackReceived, Labels
from huiyin_contracts.sla import SlaBreached, SlaRetracted, SlaScheduled, SlaScheduledV2, SlaWarned
from huiyin_contracts.tickets import TicketProgressed, TicketRouted
from huiyin_contracts.vocabulary import (
    AttachReason,
    Nature,
    Outcome,
    RoutingReason,
    Sentiment,
    Step,
    TicketStatus,
    Urgency,
)
from huiyin_sla.handlers import on_case_event
from huiyin_sla.usecases.sweep import Swept, sweep_deadlines
from tests.support import splits
from tests.support.service import ServiceDriver

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
"""A Monday, 12:00 in Shanghai."""


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def labels(urgency: str = "normal", *, is_complex: bool = False) -> Labels:
    return Labels(
        nature=Nature.COMPLAINT,
        type="service",
        subtype="attitude",
        urgency=Urgency(urgency),
        sentiment=Sentiment.NEGATIVE,
        complex=is_complex,
    )


def received(case_id: str = "case-1", *, at: datetime = NOON) -> FeedbackReceived:
    return FeedbackReceived(
        feedback_id=case_id,
        channel="wechat",
        kind="message",
        external_id=case_id,
        occurred_at=at,
        received_at=at,
        text="外卖晚了一个多小时",
    )


def classified(
    case_id: str = "case-1",
    *,
    at: datetime = NOON,
    outcome: Outcome = Outcome.TICKET,
    revision: int = 1,
    ticket_id: str | None = None,
) -> FeedbackClassified:
    return FeedbackClassified(
        case_id=ticket_id or case_id,
        feedback_id=case_id,
        ticket_id=ticket_id,
        outcome=outcome,
        labels=labels(),
        model="test",
        revision=revision,
        decided_by="model",
        channel="wechat",
        occurred_at=at,
        received_at=at,
        classified_at=at,
    )


def attached(feedback_id: str, *, to: str, at: datetime = NOON) -> FeedbackAttached:
    return FeedbackAttached(
        ticket_id=to,
        feedback_id=feedback_id,
        reason=AttachReason.FOLLOW_UP,
        channel="wechat",
        kind="message",
        text="还没有人联系我",
        occurred_at=at,
        attached_at=at,
    )


def routed(
    case_id: str = "case-1",
    *,
    at: datetime = NOON,
    urgency: str = "normal",
    is_complex: bool = False,
    department: str = "logistics",
    routing: int = 1,
) -> TicketRouted:
    return TicketRouted(
        ticket_id=case_id,
        feedback_id=case_id,
        department=department,
        routing=routing,
        reason=RoutingReason.RULE,
        labels=labels(urgency, is_complex=is_complex),
        priority=5,
        channel="wechat",
        kind="message",
        text="外卖晚了一个多小时",
        occurred_at=at,
        received_at=at,
        routed_at=at,
    )


def progressed(
    step: str, case_id: str = "case-1", *, at: datetime, version: int, cycle: int = 1
) -> TicketProgressed:
    return TicketProgressed(
        ticket_id=case_id,
        step=Step(step),
        status=TicketStatus.ACCEPTED,
        department="logistics",
        cycle=cycle,
        version=version,
        actor="test",
        progressed_at=at,
    )


class SlaDriver:
    """Drives sla through its doors; the time of the sweep is an argument."""

    def __init__(self, service: ServiceDriver) -> None:
        self.service = service
        self.client = service.client
        self.database = service.database

    async def deliver(self, *events: Event) -> None:
        """Hand events to the handlers in one transaction."""
        await self.service.deliver(*events)

    async def deliver_together(self, *events: Event) -> None:
        """Hand events to the one handler of case events in one call, as the bus does with those of a batch."""
        async with self.database.writing() as tx:
            await on_case_event(tx, splits.received(events))

    async def sweep(self, at: datetime, *, limit: int = 500) -> Swept:
        """Sweep once as if it were this time."""
        async with self.database.writing() as tx:
            return await sweep_deadlines(tx, now=at, limit=limit)

    async def clocks(self, case_id: str = "case-1", **filters: str) -> dict[tuple[str, int], dict[str, Any]]:
        """Return the clocks of a case as the API gives them now."""
        answer = await self.client.get("/v1/clocks", params={"ticket_id": case_id, **filters})
        assert answer.status_code == 200, answer.text
        return {(item["target"], item["cycle"]): item for item in answer.json()["items"]}

    async def schedules(self) -> list[SlaScheduledV2]:
        return await self.service.published(SlaScheduledV2)

    async def scheduled(self) -> list[SlaScheduled]:
        """Return what was told of each clock, one by one, as the first contract did."""
        return [
            SlaScheduled(
                ticket_id=event.ticket_id,
                department=event.department,
                scheduled_at=event.scheduled_at,
                **clock.model_dump(),
            )
            for event in await self.schedules()
            for clock in event.clocks
        ]

    async def warned(self) -> list[SlaWarned]:
        return await self.service.published(SlaWarned)

    async def breached(self) -> list[SlaBreached]:
        return await self.service.published(SlaBreached)

    async def retracted(self) -> list[SlaRetracted]:
        return await self.service.published(SlaRetracted)


def targets(events: Sequence[SlaBreached | SlaScheduled | SlaWarned]) -> list[str]:
    """Return the targets of events in their order."""
    return [event.target.value for event in events]
