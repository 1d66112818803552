"""Tickets arrive: opened, routed anew, and joined by further feedback."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.feedback import FeedbackAttached, Labels
from huiyin_contracts.tickets import TicketRouted
from huiyin_contracts.vocabulary import AttachReason, Step, TicketStatus
from huiyin_desk import queries
from huiyin_desk.domain import Clock, TicketState, next_due, routed_anew
from huiyin_desk.models import ticket, ticket_feedback
from huiyin_desk.usecases.deadlines import refresh_dues
from huiyin_desk.usecases.timeline import Entry, record
from huiyin_desk.usecases.work import announce, state_values
from huiyin_eventbus.bulk import BulkInsert
from huiyin_eventbus.subscriptions import Received


async def open_tickets(
    tx: AsyncConnection, received: Sequence[Received[TicketRouted]], *, now: datetime
) -> None:
    """Open the tickets of a batch in their departments' queues; those routed anew move over.

    An older routing than the one known changes nothing.
    """
    by_routing = sorted((one.event for one in received), key=lambda routed: routed.routing)
    latest = {routed.ticket_id: routed for routed in by_routing}
    first = {routed.ticket_id: routed for routed in reversed(by_routing)}
    known = await queries.lock_tickets(tx, latest)
    new = [_Opening(first[each], latest[each]) for each in latest if each not in known]
    await _open(tx, new, now=now)
    for ticket_id, row in known.items():
        if latest[ticket_id].routing > row.routing:
            await _move(tx, row, latest[ticket_id], now=now)
    told = {ticket_id: row.routing for ticket_id, row in known.items()}
    later = [one.event for one in received if one.event.routing > told.get(one.event.ticket_id, 0)]
    await record(tx, [entry for routed in later for entry in _dispatch_entries(routed)])
    if known:
        await refresh_dues(tx, known)
    await _announce_replies(tx, list(latest), now=now)


async def attach_feedback(
    tx: AsyncConnection, received: Sequence[Received[FeedbackAttached]], *, now: datetime
) -> None:
    """Join further feedback to its tickets; a follow-up is the customer's reply, and is announced as one.

    A ticket that was merged away passes it on to the one that took it in.
    """
    homes = await queries.final_homes(tx, {one.event.ticket_id for one in received})
    await _ADD_FEEDBACK.write(tx, [_attached_row(one.event, homes) for one in received])
    await record(tx, [_attached_entry(one.event, homes) for one in received])
    await _announce_replies(tx, sorted(set(homes.values())), now=now)


class _Opening(NamedTuple):
    """A ticket that is new here: how it was first routed, and where a batch says that it stands by now."""

    first: TicketRouted
    latest: TicketRouted


async def _open(tx: AsyncConnection, new: Sequence[_Opening], *, now: datetime) -> None:
    if not new:
        return
    # The topics promise no order between them: clocks may have been told of before their ticket.
    clocks = await queries.clocks_of(tx, [each.first.ticket_id for each in new])
    rows = [_ticket_row(each, clocks.get(each.first.ticket_id, ()), now=now) for each in new]
    await _ADD_TICKETS.write(tx, [_ticket_values(row) for row in rows])
    await _ADD_FEEDBACK.write(tx, [_first_feedback(each.first) for each in new])


async def _move(tx: AsyncConnection, row: Any, routed: TicketRouted, *, now: datetime) -> None:
    values = {
        **_label_values(routed.labels),
        **state_values(routed_anew(queries.state_of(row))),
        "department": routed.department,
        "routing": routed.routing,
        "priority": routed.priority,
        "version": row.version + 1,
        "updated_at": now,
    }
    await tx.execute(update(ticket).where(ticket.c.id == row.id).values(values))


async def _announce_replies(tx: AsyncConnection, ticket_ids: Sequence[str], *, now: datetime) -> None:
    """Announce the follow-ups whose ticket is on the desk by now, each once."""
    waiting = await queries.unannounced_replies(tx, ticket_ids)
    for reply in waiting:
        await announce(
            tx, reply.ticket_id, step=Step.CUSTOMER_REPLIED, actor="customer", text=reply.text, now=now
        )
    if waiting:
        done = [reply.feedback_id for reply in waiting]
        told = update(ticket_feedback).where(ticket_feedback.c.feedback_id.in_(done)).values(announced=True)
        await tx.execute(told)


def _ticket_row(opening: _Opening, clocks: Sequence[Clock], *, now: datetime) -> dict[str, Any]:
    routed = opening.latest
    return {
        **_NEW_TICKET,
        **{name: getattr(routed, name) for name in _COPIED},
        **_label_values(routed.labels),
        "author": routed.author,
        "rating": routed.rating,
        "id": routed.ticket_id,
        "status": TicketStatus.DISPATCHED.value,
        "cycle": 1,
        "version": 1,
        "due_at": next_due(_DISPATCHED, clocks),
        "occurred_at": routed.occurred_at,
        "received_at": routed.received_at,
        "created_at": opening.first.routed_at,
        "updated_at": now,
    }


def _label_values(labels: Labels) -> dict[str, Any]:
    """Return labels as values of the ticket's columns."""
    return {
        # As plain strings: a driver asks of any other kind of string first whether somebody has adapted it.
        "nature": str(labels.nature),
        "type": labels.type,
        "subtype": labels.subtype,
        "urgency": str(labels.urgency),
        "sentiment": str(labels.sentiment),
        "complex": labels.complex,
    }


def _first_feedback(routed: TicketRouted) -> tuple[Any, ...]:
    named = (routed.feedback_id, routed.ticket_id, "first", routed.text)
    return (*named, routed.occurred_at, routed.routed_at, True)


def _attached_row(attached: FeedbackAttached, homes: dict[str, str]) -> tuple[Any, ...]:
    named = (attached.feedback_id, homes[attached.ticket_id], str(attached.reason), attached.text)
    # The same thing sent again asks nothing new.
    is_announced = attached.reason is AttachReason.RESENT
    return (*named, attached.occurred_at, attached.attached_at, is_announced)


def _attached_entry(attached: FeedbackAttached, homes: dict[str, str]) -> Entry:
    return Entry(
        ticket_id=homes[attached.ticket_id],
        at=attached.attached_at,
        kind="attached",
        reason=str(attached.reason),
        text=attached.text,
        details={"feedback_id": attached.feedback_id, "channel": attached.channel},
    )


def _dispatch_entries(routed: TicketRouted) -> list[Entry]:
    """Return the first three of the six steps: received, classified, dispatched; the last alone when routed anew."""
    reason = str(routed.reason)
    dispatched = Entry(
        ticket_id=routed.ticket_id,
        at=routed.routed_at,
        kind="dispatched",
        actor=routed.rule or reason,
        department=routed.department,
        reason=reason,
        details={"routing": routed.routing, "priority": routed.priority},
    )
    if routed.routing > 1:
        return [dispatched]
    received = Entry(
        ticket_id=routed.ticket_id,
        at=routed.received_at,
        kind="received",
        text=routed.text,
        details={"channel": routed.channel, "kind": routed.kind, "feedback_id": routed.feedback_id},
    )
    classified = Entry(
        ticket_id=routed.ticket_id,
        at=routed.routed_at,
        kind="classified",
        details=routed.labels,
    )
    return [received, classified, dispatched]


_DISPATCHED: Final = TicketState(TicketStatus.DISPATCHED)
_TICKET: Final = tuple(ticket.c.keys())
_NEW_TICKET: Final[dict[str, Any]] = dict.fromkeys(_TICKET)
_COPIED: Final = (
    "department", "routing", "priority", "channel", "kind", "store", "product", "item", "order_id",
    "subject", "text", "lang",
)  # fmt: skip
_ticket_values: Final = itemgetter(*_TICKET)
_ADD_TICKETS: Final = BulkInsert(ticket, _TICKET)
_ADD_FEEDBACK: Final = BulkInsert(
    ticket_feedback,
    ("feedback_id", "ticket_id", "reason", "text", "occurred_at", "attached_at", "announced"),
    conflict=lambda put: put.on_conflict_do_nothing(index_elements=["feedback_id"]),
)
