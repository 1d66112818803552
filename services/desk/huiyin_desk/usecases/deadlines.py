"""What sla says: due times for the queue, warnings and breaches for the timeline."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import bindparam, update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.sla import SlaBreached, SlaRetracted, SlaScheduled, SlaScheduledV2, SlaWarned
from huiyin_contracts.vocabulary import Target
from huiyin_desk import queries
from huiyin_desk.domain import next_due
from huiyin_desk.models import ticket, ticket_clock
from huiyin_desk.usecases.timeline import Entry, record
from huiyin_eventbus.bulk import BulkInsert
from huiyin_eventbus.subscriptions import Received


class ClockRow(NamedTuple):
    """A row of `ticket_clock`; of one clock, that of the later contract holds."""

    ticket_id: str
    target: str
    cycle: int
    state: str
    due_at: datetime
    contract_version: int


async def schedule_clocks(
    tx: AsyncConnection, received: Sequence[Received[SlaScheduled | SlaScheduledV2]]
) -> None:
    """Take over what clocks are due when; the latest word on each clock holds, and the later contract's is later."""
    in_order = sorted((one.event for one in received), key=_contract_version)
    latest = {
        (row.ticket_id, row.target, row.cycle): row
        for scheduled in in_order
        for row in _clock_rows(scheduled)
    }
    if not latest:
        return
    await _PUT_CLOCKS.write(tx, sorted(latest.values()))
    await refresh_dues(tx, {row.ticket_id for row in latest.values()})


async def note_warnings(tx: AsyncConnection, received: Sequence[Received[SlaWarned]]) -> None:
    """Write down that a share of a clock's time has passed."""
    entries = [
        _sla_entry(one.event, kind="sla_warned", percent=one.event.percent)
        for one in received
        if one.event.target is not Target.CLASSIFICATION
    ]
    await record(tx, entries)


async def note_breaches(tx: AsyncConnection, received: Sequence[Received[SlaBreached]]) -> None:
    """Write down missed deadlines; the clock's due time stays as it is, so the ticket is overdue until it is done."""
    events = [one.event for one in received if one.event.target is not Target.CLASSIFICATION]
    await record(tx, [_sla_entry(breach, kind="sla_breached") for breach in events])


async def note_retractions(tx: AsyncConnection, received: Sequence[Received[SlaRetracted]]) -> None:
    """Write down breaches that were taken back; what the clock is instead, `sla.scheduled.v2` tells."""
    events = [one.event for one in received if one.event.target is not Target.CLASSIFICATION]
    await record(tx, [_sla_entry(retracted, kind="sla_retracted") for retracted in events])


async def refresh_dues(tx: AsyncConnection, ticket_ids: Iterable[str]) -> None:
    """Set each ticket's due time anew from its clocks; tickets that are not there yet are left out."""
    known = await queries.lock_standings(tx, ticket_ids)
    if not known:
        return
    clocks = await queries.clocks_of(tx, known)
    dues = {key: next_due(one.state, clocks.get(key, ())) for key, one in known.items()}
    changed = [{"b_id": key, "b_due_at": due} for key, due in dues.items() if due != known[key].due_at]
    if changed:
        await tx.execute(_SET_DUE, changed)


def _contract_version(scheduled: SlaScheduled | SlaScheduledV2) -> int:
    return 2 if isinstance(scheduled, SlaScheduledV2) else 1


def _clock_rows(scheduled: SlaScheduled | SlaScheduledV2) -> Iterator[ClockRow]:
    """Give the rows of an event's clocks, without that of the classification, which is not the desk's business."""
    clocks = scheduled.clocks if isinstance(scheduled, SlaScheduledV2) else (scheduled,)
    version = _contract_version(scheduled)
    for one in clocks:
        if one.target is not Target.CLASSIFICATION:
            yield ClockRow(
                scheduled.ticket_id, str(one.target), one.cycle, str(one.state), one.due_at, version
            )


def _sla_entry(event: SlaWarned | SlaBreached | SlaRetracted, *, kind: str, **details: object) -> Entry:
    match event:
        case SlaWarned():
            at = event.warned_at
        case SlaBreached():
            at = event.breached_at
        case SlaRetracted():
            at = event.retracted_at
    return Entry(
        ticket_id=event.ticket_id,
        at=at,
        kind=kind,
        actor="sla",
        department=event.department,
        details={"target": event.target, "cycle": event.cycle, "due_at": event.due_at.isoformat(), **details},
    )


_SET_DUE: Final = update(ticket).where(ticket.c.id == bindparam("b_id")).values(due_at=bindparam("b_due_at"))
_PUT_CLOCKS: Final = BulkInsert(
    ticket_clock,
    ClockRow.__annotations__,
    conflict=lambda put: put.on_conflict_do_update(
        index_elements=["ticket_id", "target", "cycle"],
        set_={name: put.excluded[name] for name in ("state", "due_at", "contract_version")},
        where=put.excluded.contract_version >= ticket_clock.c.contract_version,
    ),
)
