"""What can be read of the desk. A caller sees the tickets of its departments and no others."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import Principal
from huiyin_contracts.vocabulary import TicketStatus
from huiyin_desk.domain import Clock, TicketState
from huiyin_desk.models import person, ticket, ticket_clock, ticket_feedback, timeline, unit
from huiyin_eventbus.rows import bind_rows, rows_of

_MOST_HOPS = 32
_ID: Final[Mapping[str, type]] = {"id": str}


def visible(principal: Principal) -> ColumnElement[bool]:
    """Return the condition that a ticket may be seen by a caller."""
    return principal.within(ticket.c.department)


def select_tickets(
    principal: Principal,
    *,
    department: str | None = None,
    status: str | None = None,
    assignee: str | None = None,
    store: str | None = None,
) -> Select[Any]:
    """Return the select of the tickets a caller may see, narrowed by the filters given."""
    wanted = {"department": department, "status": status, "assignee": assignee, "store": store}
    filters = [ticket.c[name] == value for name, value in wanted.items() if value is not None]
    return select(ticket).where(visible(principal), *filters)


async def find_ticket(tx: AsyncConnection, ticket_id: str, *, principal: Principal) -> Row[Any] | None:
    """Return a ticket's row, or None when there is none that the caller may see."""
    found = await tx.execute(select(ticket).where(ticket.c.id == ticket_id, visible(principal)))
    row: Row[Any] | None = found.one_or_none()
    return row


async def lock_visible(
    tx: AsyncConnection, ticket_ids: Iterable[str], *, principal: Principal
) -> dict[str, Row[Any]]:
    """Return the rows of those tickets that the caller may see, by id, locked until the commit.

    Locks in the order of ids, so that two merges in opposite directions wait for each other and do not deadlock.
    """
    mine = select(ticket).where(ticket.c.id.in_(sorted(ticket_ids)), visible(principal))
    found = await tx.execute(mine.order_by(ticket.c.id).with_for_update())
    return {row.id: row for row in found}


async def get_ticket(tx: AsyncConnection, ticket_id: str) -> Row[Any]:
    """Return the row of a ticket that is known to be there."""
    row: Row[Any] = (await tx.execute(select(ticket).where(ticket.c.id == ticket_id))).one()
    return row


async def department_names(tx: AsyncConnection, department: str) -> dict[str, str]:
    """Return a department's name per language, none when the directory has not told of it yet."""
    found = await tx.execute(select(unit.c.names).where(unit.c.slug == department))
    names: dict[str, str] | None = found.scalar_one_or_none()
    return names or {}


async def lock_tickets(tx: AsyncConnection, ticket_ids: Iterable[str]) -> dict[str, Row[Any]]:
    """Return the rows of those tickets that are on the desk, by id, locked until the commit."""
    dialect = tx.dialect.name
    bound = bind_rows(dialect, _ID, [(ticket_id,) for ticket_id in ticket_ids])
    return {row.id: row for row in await tx.execute(_tickets(dialect), bound)}


class Standing(NamedTuple):
    """What decides when the next thing is due on a ticket, no more of its state, and when it was found to be due."""

    state: TicketState
    due_at: datetime


async def lock_standings(tx: AsyncConnection, ticket_ids: Iterable[str]) -> dict[str, Standing]:
    """Return how those tickets stand that are on the desk, by id, locked until the commit."""
    dialect = tx.dialect.name
    bound = bind_rows(dialect, _ID, [(ticket_id,) for ticket_id in ticket_ids])
    found = (await tx.execute(_standings(dialect), bound)).all()
    return {
        ticket_id: Standing(TicketState(TicketStatus(status), cycle, answered_at=answered_at), due_at)
        for ticket_id, status, cycle, answered_at, due_at in found
    }


async def feedback_ids(tx: AsyncConnection, ticket_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids of each ticket's feedback, oldest first."""
    found: dict[str, list[str]] = defaultdict(list)
    row = ticket_feedback.c
    wanted = select(row.ticket_id, row.feedback_id).where(row.ticket_id.in_(ticket_ids))
    for ticket_id, feedback_id in await tx.execute(wanted.order_by(row.attached_at, row.feedback_id)):
        found[ticket_id].append(feedback_id)
    return found


async def unannounced_replies(tx: AsyncConnection, ticket_ids: Sequence[str]) -> list[Any]:
    """Return the follow-ups to tickets on the desk that nobody was told of yet, oldest first."""
    dialect = tx.dialect.name
    bound = bind_rows(dialect, _ID, [(ticket_id,) for ticket_id in ticket_ids])
    return list((await tx.execute(_unannounced(dialect), bound)).all())


async def pauses_over(tx: AsyncConnection, *, now: datetime, limit: int = 200) -> list[str]:
    """Return the ids of paused tickets whose time to go on has come."""
    over = (ticket.c.status == TicketStatus.PAUSED) & (ticket.c.paused_until <= now)
    return list(await tx.scalars(select(ticket.c.id).where(over).order_by(ticket.c.id).limit(limit)))


async def final_homes(tx: AsyncConnection, ticket_ids: Iterable[str]) -> dict[str, str]:
    """Return, for each ticket, the ticket that took it in by merging, itself when none did."""
    homes = {ticket_id: ticket_id for ticket_id in ticket_ids}
    for _ in range(_MOST_HOPS):
        wanted = select(ticket.c.id, ticket.c.merged_into).where(
            ticket.c.id.in_(set(homes.values())), ticket.c.merged_into.is_not(None)
        )
        moved = {row.id: row.merged_into for row in await tx.execute(wanted)}
        if not moved:
            break
        homes = {ticket_id: moved.get(home, home) for ticket_id, home in homes.items()}
    return homes


async def clocks_of(tx: AsyncConnection, ticket_ids: Iterable[str]) -> dict[str, list[Clock]]:
    """Return each ticket's clocks."""
    dialect = tx.dialect.name
    found: dict[str, list[Clock]] = defaultdict(list)
    bound = bind_rows(dialect, _ID, [(ticket_id,) for ticket_id in ticket_ids])
    for ticket_id, target, cycle, state, due_at in (await tx.execute(_clocks(dialect), bound)).all():
        found[ticket_id].append(Clock(target, cycle, state, due_at))
    return found


@cache
def _clocks(dialect: str) -> Select[Any]:
    of = ticket_clock.c
    wanted = select(of.ticket_id, of.target, of.cycle, of.state, of.due_at)
    return wanted.where(_given(dialect, of.ticket_id))


@cache
def _unannounced(dialect: str) -> Select[Any]:
    row = ticket_feedback.c
    waiting = select(row.feedback_id, row.ticket_id, row.text).join(ticket, ticket.c.id == row.ticket_id)
    given = waiting.where(_given(dialect, row.ticket_id), ~row.announced)
    return given.order_by(row.occurred_at, row.feedback_id)


@cache
def _tickets(dialect: str) -> Select[Any]:
    return select(ticket).where(_given(dialect, ticket.c.id)).order_by(ticket.c.id).with_for_update()


@cache
def _standings(dialect: str) -> Select[Any]:
    row = ticket.c
    wanted = select(row.id, row.status, row.cycle, row.answered_at, row.due_at).where(_given(dialect, row.id))
    return wanted.order_by(ticket.c.id).with_for_update()


def _given(dialect: str, column: ColumnElement[str]) -> ColumnElement[bool]:
    return column.in_(select(rows_of(dialect, _ID).c.id))


async def is_active_person(tx: AsyncConnection, person_id: str) -> bool:
    """Tell whether a person is known and active."""
    found = await tx.execute(select(person.c.id).where(person.c.id == person_id, person.c.active))
    return found.first() is not None


def select_timeline(ticket_id: str) -> Select[Any]:
    """Return the select of a ticket's timeline."""
    return select(timeline).where(timeline.c.ticket_id == ticket_id)


def state_of(row: Row[Any]) -> TicketState:
    """Return what the rules need of a ticket's row."""
    return TicketState(
        status=TicketStatus(row.status),
        cycle=row.cycle,
        assignee=row.assignee,
        answer=row.answer,
        answered_at=row.answered_at,
        resolved_at=row.resolved_at,
        satisfied=row.satisfied,
        paused_until=row.paused_until,
        merged_into=row.merged_into,
    )


async def all_tickets(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give (id, department, status, cycle, routing) of every ticket, for `huiyin verify`."""
    columns = (ticket.c.id, ticket.c.department, ticket.c.status, ticket.c.cycle, ticket.c.routing)
    async for row in await tx.stream(select(*columns).order_by(ticket.c.id)):
        yield tuple(row)


async def all_feedback(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give (feedback_id, ticket_id) of every feedback on the desk, for `huiyin verify`."""
    columns = (ticket_feedback.c.feedback_id, ticket_feedback.c.ticket_id)
    async for row in await tx.stream(select(*columns).order_by(ticket_feedback.c.feedback_id)):
        yield tuple(row)
