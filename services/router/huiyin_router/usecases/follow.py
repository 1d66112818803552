"""The router follows its tickets: which are open, and which their department has given back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, bindparam, update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.feedback import FeedbackReceived, Labels
from huiyin_contracts.tickets import TicketProgressed
from huiyin_contracts.vocabulary import Outcome, RoutingReason, Step, TicketStatus
from huiyin_eventbus.subscriptions import Received
from huiyin_router import queries
from huiyin_router.domain.rules import next_match
from huiyin_router.models import routed_case
from huiyin_router.usecases.classify import closed_among, facts_of
from huiyin_router.usecases.revise import Change, revise

_CLOSED: Final = frozenset({TicketStatus.RESOLVED, TicketStatus.ARCHIVED, TicketStatus.MERGED})


@dataclass(frozen=True, slots=True)
class _Followed:
    """A ticket as the desk's steps leave it."""

    version: int
    is_open: bool
    returned_by: tuple[str, ...]


async def follow_tickets(
    tx: AsyncConnection, received: Sequence[Received[TicketProgressed]], *, now: datetime
) -> None:
    """Take over how tickets progressed, and route those anew that were returned; older steps change nothing."""
    cases = await queries.lock_cases(tx, {one.event.ticket_id for one in received})
    followed = {ticket_id: _followed(row) for ticket_id, row in cases.items()}
    returned: list[Received[TicketProgressed]] = []
    for one in received:
        state = followed.get(one.event.ticket_id)
        if state is None or one.event.version <= state.version:
            continue
        followed[one.event.ticket_id] = _after(state, one.event)
        if one.event.step is Step.RETURNED and one.event.department == cases[one.event.ticket_id].department:
            returned.append(one)
    await _save(tx, {key: state for key, state in followed.items() if state != _followed(cases[key])})
    for one in returned:
        await _route_anew(tx, one, returned_by=followed[one.event.ticket_id].returned_by, now=now)


def _followed(row: Row[Any]) -> _Followed:
    return _Followed(row.version, row.is_open, tuple(row.returned_by))


def _after(state: _Followed, step: TicketProgressed) -> _Followed:
    after = replace(state, version=step.version, is_open=step.status not in _CLOSED)
    if step.step is not Step.RETURNED or step.department in state.returned_by:
        return after
    return replace(after, returned_by=(*state.returned_by, step.department))


async def _save(tx: AsyncConnection, changed: dict[str, _Followed]) -> None:
    if not changed:
        return
    values: dict[str, Any] = {name: bindparam(f"b_{name}") for name in _Followed.__slots__}
    statement = update(routed_case).where(routed_case.c.ticket_id == bindparam("b_id")).values(values)
    rows = [
        {
            "b_id": ticket_id,
            "b_version": state.version,
            "b_is_open": state.is_open,
            "b_returned_by": list(state.returned_by),
        }
        for ticket_id, state in changed.items()
    ]
    await tx.execute(statement, rows)


async def _route_anew(
    tx: AsyncConnection, one: Received[TicketProgressed], *, returned_by: Sequence[str], now: datetime
) -> None:
    """Give a returned ticket to the next matching rule's department, or to triage when none is left."""
    row = (await queries.first_feedback(tx, [one.event.ticket_id])).get(one.event.ticket_id)
    if row is None:
        return
    feedback = FeedbackReceived.model_validate_json(row.content)
    closed_units = closed_among(await queries.units(tx))
    facts = facts_of(queries.columns_of(row), feedback)
    rule = next_match(
        await queries.active_rules(tx), facts, returned_by=frozenset(returned_by) | closed_units
    )
    labels = Labels.model_validate(row, from_attributes=True)
    change = Change(
        labels=labels.model_copy(update={"complex": labels.complex or (rule is not None and rule.complex)}),
        outcome=Outcome.TICKET if rule else Outcome.TRIAGE,
        department=rule.department if rule else None,
        decided_by=f"rule:{rule.name}" if rule else one.event.actor,
        actor=one.event.actor,
        reason=one.event.reason,
        routing_reason=RoutingReason.RETURNED,
        rule=rule,
        cause=one,
    )
    await revise(tx, row, change, now=now)
