"""The desk under test, and the events it gets from others."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from huiyin_contracts.feedback import Author, FeedbackAttached, Labels
from huiyin_contracts.sla import ScheduledClock, SlaScheduled, SlaScheduledV2
from huiyin_contracts.tickets import TicketRouted
from huiyin_contracts.vocabulary import (
    AttachReason,
    ClockState,
    Nature,
    RoutingReason,
    Sentiment,
    Target,
    Urgency,
)
from huiyin_desk.app import SERVICE
from tests.support.service import ServiceDriver, running_service

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)
LABELS = Labels(
    nature=Nature.COMPLAINT,
    type="logistics",
    subtype="delivery",
    urgency=Urgency.NORMAL,
    sentiment=Sentiment.NEGATIVE,
)


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[ServiceDriver]:
    """Give the desk on an empty database."""
    async with running_service(SERVICE, database_url) as driver:
        yield driver


def routed(ticket_id: str = "t-1", **changes: Any) -> TicketRouted:
    """Return the event that opens a ticket at the logistics department."""
    fields: dict[str, Any] = {
        "ticket_id": ticket_id,
        "feedback_id": ticket_id,
        "department": "logistics",
        "reason": RoutingReason.RULE,
        "rule": "logistics",
        "labels": LABELS,
        "priority": 5,
        "channel": "wechat",
        "kind": "message",
        "text": "外卖晚了一个多小时",
        "author": Author(id="c-1", name="王小明"),
        "store": "shanghai-01",
        "occurred_at": NOON - timedelta(minutes=5),
        "received_at": NOON - timedelta(minutes=4),
        "routed_at": NOON,
    }
    return TicketRouted(**{**fields, **changes})


def attached(feedback_id: str, *, ticket_id: str = "t-1", **changes: Any) -> FeedbackAttached:
    """Return the event of a follow-up."""
    fields: dict[str, Any] = {
        "ticket_id": ticket_id,
        "feedback_id": feedback_id,
        "reason": AttachReason.FOLLOW_UP,
        "channel": "wechat",
        "kind": "message",
        "text": "还没有人联系我",
        "occurred_at": NOON + timedelta(minutes=3),
        "attached_at": NOON + timedelta(minutes=3),
    }
    return FeedbackAttached(**{**fields, **changes})


def told_clock(target: Target, due_at: datetime, **changes: Any) -> ScheduledClock:
    """Return a clock as an event tells it, running unless said otherwise."""
    fields: dict[str, Any] = {
        "target": target,
        "policy": "ordinary",
        "due_at": due_at,
        "state": ClockState.RUNNING,
        "started_at": NOON,
        "calendar": "cn",
        "calendar_version": "cn-1",
    }
    return ScheduledClock(**{**fields, **changes})


def scheduled(*clocks: ScheduledClock, ticket_id: str = "t-1") -> SlaScheduledV2:
    """Return the event of a case's clocks."""
    return SlaScheduledV2(ticket_id=ticket_id, department="product", scheduled_at=NOON, clocks=clocks)


def scheduled_before(clock: ScheduledClock, *, ticket_id: str = "t-1") -> SlaScheduled:
    """Return the event of one clock as the first contract told it."""
    return SlaScheduled(ticket_id=ticket_id, scheduled_at=NOON, **clock.model_dump())
