"""A classification changes after the fact: by a person, or because its department has returned the ticket."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
import uuid_utils
from sqlalchemy import Row, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.feedback import FeedbackReceived, Labels
from huiyin_contracts.vocabulary import Outcome, RoutingReason
from huiyin_eventbus.outbox import Outgoing, append
from huiyin_eventbus.rows import insert_into
from huiyin_eventbus.subscriptions import Received
from huiyin_router import queries
from huiyin_router.domain.rules import Rule
from huiyin_router.models import classification, correction, routed_case
from huiyin_router.usecases.announcements import LABELS, classified, dispatches, routed

log = structlog.get_logger()

_TOLD = (*LABELS, "outcome", "ticket_id", "department")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a classification becomes, by whom, and why its ticket is routed if it is."""

    labels: Labels
    outcome: Outcome
    department: str | None
    decided_by: str
    actor: str
    reason: str | None
    routing_reason: RoutingReason
    rule: Rule | None = None
    cause: Received[Any] | None = None


async def revise(tx: AsyncConnection, row: Row[Any], change: Change, *, now: datetime) -> Row[Any]:
    """Change a classification and return its row; announces it, and routes its ticket where that has to move.

    The outcome `ticket` routes when there is no ticket yet, when the department is another one, or out of triage.
    """
    before = queries.columns_of(row)
    after = {
        **before,
        **change.labels.model_dump(),
        "outcome": change.outcome,
        "department": change.department,
        "ticket_id": row.feedback_id if change.outcome is Outcome.TICKET else row.ticket_id,
        "revision": row.revision + 1,
        "decided_by": change.decided_by,
        "reason": change.reason,
        "classified_at": now,
    }
    changed = await _save(tx, before, after, actor=change.actor, now=now)
    await append(tx, Outgoing(classified(after), cause=change.cause))
    if change.outcome is Outcome.TICKET:
        await _route(tx, after, change, was=row.outcome, now=now)
    return changed


async def _save(
    tx: AsyncConnection, before: Mapping[str, Any], after: Mapping[str, Any], *, actor: str, now: datetime
) -> Row[Any]:
    """Write what is different, and the correction beside it."""
    values = {name: value for name, value in after.items() if value != before[name]}
    statement = update(classification).where(classification.c.feedback_id == after["feedback_id"])
    changed: Row[Any] = (await tx.execute(statement.values(values).returning(classification))).one()
    told = {
        "id": str(uuid_utils.uuid7()),
        "feedback_id": after["feedback_id"],
        "revision": after["revision"],
        "actor": actor,
        "reason": after["reason"],
        "before": {name: before[name] for name in _TOLD},
        "after": {name: after[name] for name in _TOLD},
        "corrected_at": now,
    }
    await tx.execute(insert(correction).values(told))
    return changed


async def _route(
    tx: AsyncConnection, row: Mapping[str, Any], change: Change, *, was: str, now: datetime
) -> None:
    ticket_id = row["ticket_id"]
    case = (await queries.lock_cases(tx, [ticket_id])).get(ticket_id)
    if case is not None and case.department == row["department"] and was != Outcome.TRIAGE:
        return
    routing = 1 if case is None else case.routing + 1
    await _save_case(tx, row, routing)
    event = routed(
        row,
        FeedbackReceived.model_validate_json(row["content"]),
        now=now,
        reason=change.routing_reason,
        routing=routing,
        previous_department=case.department if case else None,
        rule=change.rule.name if change.rule else None,
        told_priority=change.rule.priority if change.rule else None,
    )
    unit = (await queries.units(tx)).get(event.department)
    has_stream = unit is not None and unit.stream
    await append(tx, *dispatches(event, has_stream=has_stream, cause=change.cause))
    if case is not None and case.department != row["department"]:
        await _move_attached(tx, row, change, now=now)
    log.info("ticket_routed", ticket_id=ticket_id, department=event.department, routing=routing)


async def _save_case(tx: AsyncConnection, row: Mapping[str, Any], routing: int) -> None:
    put = insert_into(tx.dialect.name, routed_case)
    upsert = put.on_conflict_do_update(
        index_elements=["ticket_id"],
        set_={"department": put.excluded.department, "routing": put.excluded.routing},
    )
    await tx.execute(upsert, new_case(row, routing=routing))


def new_case(row: Mapping[str, Any], *, routing: int = 1) -> dict[str, Any]:
    """Return the row of a ticket that was routed just now."""
    return {
        "ticket_id": row["ticket_id"],
        "department": row["department"],
        "routing": routing,
        "is_open": True,
        "version": 0,
        "returned_by": [],
    }


async def _move_attached(
    tx: AsyncConnection, row: Mapping[str, Any], change: Change, *, now: datetime
) -> None:
    """Let what was attached to a ticket follow it to its new department."""
    for attached in await queries.attached_to(tx, row["ticket_id"]):
        before = queries.columns_of(attached)
        after = {
            **before,
            "department": row["department"],
            "revision": attached.revision + 1,
            "decided_by": change.decided_by,
            "reason": "its ticket was routed anew",
            "classified_at": now,
        }
        await _save(tx, before, after, actor=change.actor, now=now)
        await append(tx, Outgoing(classified(after), cause=change.cause))
