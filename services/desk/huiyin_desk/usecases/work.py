"""The work on a ticket: one verb at a time, each with its steps announced and written down."""

from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import Principal
from huiyin_chassis.etag import Precondition
from huiyin_contracts.tickets import TicketProgressed
from huiyin_contracts.vocabulary import Step, TicketStatus
from huiyin_desk import queries
from huiyin_desk.domain import Action, Move, TicketState, Verb, act
from huiyin_desk.errors import AssigneeUnknown, MergeRefused, TicketNotFound
from huiyin_desk.models import ticket, ticket_feedback
from huiyin_desk.usecases.deadlines import refresh_dues
from huiyin_desk.usecases.timeline import Entry, record
from huiyin_eventbus.outbox import append

_TIMER: Final = Principal("timer", "timer", frozenset())


async def work_on_ticket(
    tx: AsyncConnection,
    ticket_id: str,
    action: Action,
    *,
    principal: Principal,
    if_match: Precondition,
    now: datetime,
) -> Row[Any]:
    """Do one verb and return the ticket's row; a verb that already holds changes nothing.

    Raises TicketNotFound, TransitionNotAllowed, AssigneeUnknown, MergeRefused, or a 412 Refusal for a stale ETag.
    """
    named = {ticket_id, action.into or ticket_id}
    locked = await queries.lock_visible(tx, named, principal=principal)
    if ticket_id not in locked:
        raise TicketNotFound(ticket_id)
    row = locked[ticket_id]
    move = act(queries.state_of(row), action, now=now)
    if move is None:
        return row
    if_match.check(row.version)
    if action.assignee is not None and not await queries.is_active_person(tx, action.assignee):
        raise AssigneeUnknown(action.assignee)
    if action.into is not None:
        _check_target(row, locked.get(action.into), into=action.into)
    changed = await _save(tx, row, move, now=now)
    await _tell(tx, changed, action=action, move=move, actor=principal.name, now=now)
    if action.verb is Verb.MERGE:
        await _hand_over(tx, changed, actor=principal.name, now=now)
    await refresh_dues(tx, [ticket_id])
    return await queries.get_ticket(tx, ticket_id)


async def resume_due_tickets(tx: AsyncConnection, *, now: datetime) -> int:
    """Resume the tickets whose pause has run out, up to 200, and return how many there were."""
    due = await queries.pauses_over(tx, now=now)
    for ticket_id in due:
        await work_on_ticket(
            tx, ticket_id, Action(Verb.RESUME), principal=_TIMER, if_match=Precondition(), now=now
        )
    return len(due)


async def announce(
    tx: AsyncConnection, ticket_id: str, *, step: Step, actor: str, text: str | None, now: datetime
) -> None:
    """Announce a step that changes nothing but the ticket's version; does nothing when the ticket is not there."""
    known = await queries.lock_tickets(tx, [ticket_id])
    if ticket_id not in known:
        return
    row = known[ticket_id]
    raised = update(ticket).where(ticket.c.id == ticket_id).values(version=row.version + 1, updated_at=now)
    changed: Row[Any] = (await tx.execute(raised.returning(ticket))).one()
    await append(tx, _progressed(changed, step, status=changed.status, actor=actor, text=text, now=now))


def state_values(state: TicketState) -> dict[str, Any]:
    """Return a ticket's state as values of its columns."""
    return {each.name: getattr(state, each.name) for each in fields(state)}


def _check_target(row: Row[Any], target: Row[Any] | None, *, into: str) -> None:
    if target is None or target.id == row.id or target.status == TicketStatus.MERGED:
        raise MergeRefused(into)


async def _save(tx: AsyncConnection, row: Row[Any], move: Move, *, now: datetime) -> Row[Any]:
    values = {
        **state_values(move.after),
        # One version per step, so that each announced step carries a version of its own.
        "version": row.version + len(move.steps),
        "updated_at": now,
    }
    saved = update(ticket).where(ticket.c.id == row.id).values(values).returning(ticket)
    changed: Row[Any] = (await tx.execute(saved)).one()
    return changed


async def _tell(
    tx: AsyncConnection, row: Row[Any], *, action: Action, move: Move, actor: str, now: datetime
) -> None:
    steps = [
        _progressed(
            row,
            step,
            status=status,
            actor=actor,
            now=now,
            reason=action.reason,
            text=action.text,
            satisfied=action.satisfied,
            into=action.into,
            until=action.until,
            version=row.version - len(move.steps) + number,
        )
        for number, (step, status) in enumerate(move.steps, start=1)
    ]
    await append(tx, *steps)
    await record(tx, [_entry(step) for step in steps])


async def _hand_over(tx: AsyncConnection, row: Row[Any], *, actor: str, now: datetime) -> None:
    """Give a merged ticket's feedback to the ticket that took it in, and write it down there too."""
    moved = update(ticket_feedback).where(ticket_feedback.c.ticket_id == row.id)
    await tx.execute(moved.values(ticket_id=row.merged_into))
    taken = Entry(
        ticket_id=row.merged_into, at=now, kind="took_in", actor=actor, details={"ticket_id": row.id}
    )
    await record(tx, [taken])


def _progressed(
    row: Row[Any], step: Step, *, status: str, actor: str, now: datetime, **said: Any
) -> TicketProgressed:
    return TicketProgressed(
        ticket_id=row.id,
        step=step,
        status=TicketStatus(status),
        department=row.department,
        assignee=row.assignee,
        cycle=row.cycle,
        actor=actor,
        progressed_at=now,
        **{"version": row.version, **said},
    )


def _entry(step: TicketProgressed) -> Entry:
    details = step.model_dump(
        mode="json", include={"assignee", "satisfied", "into", "until", "status"}, exclude_none=True
    )
    return Entry(
        ticket_id=step.ticket_id,
        at=step.progressed_at,
        kind=str(step.step),
        actor=step.actor,
        department=step.department,
        reason=step.reason,
        text=step.text,
        details=details,
    )
