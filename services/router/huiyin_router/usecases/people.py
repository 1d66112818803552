"""What people decide: the triage queue, and corrections of what the rules or others have decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import Principal
from huiyin_chassis.etag import Precondition
from huiyin_contracts.feedback import FeedbackReceived, Labels
from huiyin_contracts.vocabulary import Outcome, RoutingReason
from huiyin_router import queries
from huiyin_router.classifier import PARENT_TYPES
from huiyin_router.domain.labels import merged
from huiyin_router.domain.rules import Rule, next_match
from huiyin_router.errors import (
    AlreadyDecided,
    DepartmentMissing,
    FeedbackUnknown,
    TicketStands,
)
from huiyin_router.schemas import CorrectionIn, DecisionIn, LabelsIn
from huiyin_router.usecases.classify import closed_among, facts_of
from huiyin_router.usecases.revise import Change, revise
from huiyin_router.usecases.rules import check_department


@dataclass(frozen=True, slots=True)
class _End:
    outcome: Outcome
    department: str | None = None
    rule: Rule | None = None


async def decide_triage(
    tx: AsyncConnection,
    feedback_id: str,
    decision: DecisionIn,
    *,
    principal: Principal,
    if_match: Precondition,
    now: datetime,
) -> Row[Any]:
    """Take a feedback out of triage and return its classification; the same decision again changes nothing.

    Raises FeedbackUnknown, AlreadyDecided, TicketStands, DepartmentUnknown, LabelsContradict, or a 412 Refusal.
    """
    row = await _lock(tx, feedback_id, principal=principal)
    labels = _labels_after(row, decision.labels)
    if row.outcome != Outcome.TRIAGE:
        if _is_decided_so(row, decision, labels):
            return row
        raise AlreadyDecided(feedback_id, outcome=row.outcome, department=row.department)
    if_match.check(row.revision)
    if decision.not_feedback and row.ticket_id is not None:
        raise TicketStands(feedback_id, ticket_id=row.ticket_id)
    await check_department(tx, decision.department)
    end = _End(Outcome.NOT_FEEDBACK if decision.not_feedback else Outcome.TICKET, decision.department)
    change = _change(end, labels, principal, reason=decision.reason, routing_reason=RoutingReason.TRIAGE)
    return await revise(tx, row, change, now=now)


async def correct_classification(
    tx: AsyncConnection,
    feedback_id: str,
    body: CorrectionIn,
    *,
    principal: Principal,
    if_match: Precondition,
    now: datetime,
) -> Row[Any]:
    """Correct labels, department or outcome and return the classification; what is so already changes nothing.

    A ticket moves when its department is named, or when the rules give the corrected labels to another one than the
    labels before. Raises FeedbackUnknown, TicketStands, DepartmentUnknown, DepartmentMissing, LabelsContradict, or a
    412 Refusal.
    """
    row = await _lock(tx, feedback_id, principal=principal)
    if_match.check(row.revision)
    labels = _labels_after(row, body.labels)
    await check_department(tx, body.department)
    end = await _end_of(tx, row, body, labels=labels)
    if (end.outcome, end.department, labels) == (row.outcome, row.department, _labels(row)):
        return row
    change = _change(end, labels, principal, reason=body.reason, routing_reason=RoutingReason.CORRECTED)
    return await revise(tx, row, change, now=now)


async def _lock(tx: AsyncConnection, feedback_id: str, *, principal: Principal) -> Row[Any]:
    row = await queries.lock_classification(tx, feedback_id, principal=principal)
    if row is None:
        raise FeedbackUnknown(feedback_id)
    return row


def _labels(row: Row[Any]) -> Labels:
    return Labels.model_validate(row, from_attributes=True)


def _labels_after(row: Row[Any], said: LabelsIn | None) -> Labels:
    if said is None:
        return _labels(row)
    return merged(_labels(row), said.model_dump(exclude_unset=True), parent_types=PARENT_TYPES)


def _is_decided_so(row: Row[Any], decision: DecisionIn, labels: Labels) -> bool:
    if decision.not_feedback:
        return bool(row.outcome == Outcome.NOT_FEEDBACK)
    is_there = row.outcome == Outcome.TICKET and row.department == decision.department
    return is_there and labels == _labels(row)


async def _end_of(tx: AsyncConnection, row: Row[Any], body: CorrectionIn, *, labels: Labels) -> _End:
    """Return where the feedback ends after the correction."""
    is_moved = body.department is not None or body.outcome is not None
    if row.outcome == Outcome.ATTACHED:
        if is_moved:
            raise TicketStands(row.feedback_id, ticket_id=row.ticket_id)
        return _End(Outcome.ATTACHED, row.department)
    outcome = Outcome(body.outcome or (Outcome.TICKET if body.department else row.outcome))
    if row.ticket_id is not None and outcome not in {Outcome.TICKET, row.outcome}:
        raise TicketStands(row.feedback_id, ticket_id=row.ticket_id)
    if outcome is not Outcome.TICKET:
        return _End(outcome)
    if body.department is not None:
        return _End(outcome, body.department)
    return await _end_by_rules(tx, row, labels=labels)


async def _end_by_rules(tx: AsyncConnection, row: Row[Any], *, labels: Labels) -> _End:
    closed_units = closed_among(await queries.units(tx))
    rules = [rule for rule in await queries.active_rules(tx) if rule.department not in closed_units]
    after = _department_rule(rules, row, labels)
    if row.outcome != Outcome.TICKET:
        if after is None:
            raise DepartmentMissing(row.feedback_id)
        return _End(Outcome.TICKET, after.department, after)
    before = _department_rule(rules, row, _labels(row))
    is_elsewhere = after is not None and (before is None or after.department != before.department)
    if after is None or not is_elsewhere:
        return _End(Outcome.TICKET, row.department)
    return _End(Outcome.TICKET, after.department, after)


def _department_rule(rules: Sequence[Rule], row: Row[Any], labels: Labels) -> Rule | None:
    feedback = FeedbackReceived.model_validate_json(row.content)
    # What a person has looked at is sure.
    sure = {"confidence": {"nature": 1.0, "type": 1.0}}
    facts = facts_of({**queries.columns_of(row), **labels.model_dump(), **sure}, feedback)
    return next_match(rules, facts, returned_by=())


def _change(
    end: _End,
    labels: Labels,
    principal: Principal,
    *,
    reason: str | None,
    routing_reason: RoutingReason,
) -> Change:
    return Change(
        labels=labels,
        outcome=end.outcome,
        department=end.department,
        decided_by=principal.name,
        actor=principal.name,
        reason=reason,
        routing_reason=routing_reason,
        rule=end.rule,
    )
