"""Projections: opened at the first start, counted anew when the zone of days changes, swapped in one commit."""

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Table, delete, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_analytics import queries
from huiyin_analytics.domain.cells import Cell, Tally
from huiyin_analytics.domain.facts import Telling, tellings
from huiyin_analytics.domain.ledger import facts_of
from huiyin_analytics.errors import BuildSuperseded
from huiyin_analytics.models import case_day, case_ledger, projection, rollup
from huiyin_analytics.queries import BUILDING, LIVE, RETIRED, Projection
from huiyin_analytics.usecases.folding import fold_facts
from huiyin_chassis.db import Database
from huiyin_contracts.errors import ContractError
from huiyin_contracts.event import Envelope
from huiyin_contracts.registry import parse_event
from huiyin_eventbus.rows import insert_into

BATCH = 500
_SHOWN = 20
_DROPPED_AT_ONCE = 5_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A projection built from the log beside the live one, and how the two compare.

    `differences` are examples of cells that differ, none when live equals the log; `unreadable` counts events that no
    contract fits (they are dead letters of the live consumer too).
    """

    projection: Projection
    events: int
    unreadable: int
    differences: Sequence[str]

    @property
    def is_equal(self) -> bool:
        """Tell whether the live rollup is what the log says."""
        return not self.differences


async def open_projection(database: Database, *, zone: str, now: datetime) -> Projection:
    """Return the live projection in a zone; opens the first one, and counts anew when the zone has changed. Commits."""
    async with database.writing() as tx:
        # Several processes may start on an empty database at once; the index lets one of them be first.
        first = insert_into(tx.dialect.name, projection).values(zone=zone, state=LIVE, created_at=now)
        await tx.execute(first.on_conflict_do_nothing())
        live = await queries.live_projection(tx)
    if live.zone == zone:
        return live
    log.warning("days_counted_anew", zone=zone, former=live.zone)
    return await recount(database, live, zone=zone, now=now)


async def recount(database: Database, live: Projection, *, zone: str, now: datetime) -> Projection:
    """Build a projection from the ledgers of the live one, put it in its place and return it. Commits."""
    building = await begin_building(database, zone=zone, now=now)
    last = ""
    while True:
        async with database.writing() as tx:
            await _lock_building(tx, building)
            found = await queries.ledgers_after(tx, live.id, last, limit=BATCH)
            told = [(case_id, fact) for case_id, ledger in found for fact in facts_of(ledger)]
            await fold_facts(tx, building, told)
        if not found:
            break
        last = found[-1][0]
    return await adopt(database, building)


async def rebuild(
    database: Database, events: AsyncIterable[Envelope], *, zone: str, now: datetime
) -> Rebuilt:
    """Build a projection from the log, from its beginning, and compare it with the live one. Commits batch by batch.

    The live consumer may go on meanwhile: from the beginning of a build on it enters what it takes into both. `adopt`
    puts the new one in place, `discard` drops it. Whatever is raised meanwhile drops it too.
    """
    building = await begin_building(database, zone=zone, now=now)
    try:
        return await _build(database, building, events)
    except BaseException:
        await discard(database, building)
        raise


async def _build(database: Database, building: Projection, events: AsyncIterable[Envelope]) -> Rebuilt:
    events_read = unreadable = 0
    batch: list[Envelope] = []
    async for envelope in events:
        batch.append(envelope)
        if len(batch) == BATCH:
            unreadable += await _fold_envelopes(database, building, batch)
            events_read += len(batch)
            batch = []
    unreadable += await _fold_envelopes(database, building, batch)
    async with database.writing() as tx:
        await queries.lock_projections(tx)
        live = await queries.live_projection(tx)
        found = compare(await queries.cells(tx, live.id), await queries.cells(tx, building.id))
    return Rebuilt(building, events_read + len(batch), unreadable, found[:_SHOWN])


async def begin_building(database: Database, *, zone: str, now: datetime) -> Projection:
    """Open an empty projection beside the live one and return it; one left over by a build that broke off goes. Commits."""
    async with database.writing() as tx:
        await queries.lock_projections(tx)
        await tx.execute(update(projection).where(projection.c.state == BUILDING).values(state=RETIRED))
        building = await _add(tx, zone=zone, state=BUILDING, now=now)
    await drop_retired(database)
    return building


async def adopt(database: Database, building: Projection) -> Projection:
    """Put a built projection in the place of the live one, drop the former and return the new one. Commits."""
    async with database.writing() as tx:
        await queries.lock_projections(tx)
        await tx.execute(update(projection).where(projection.c.state == LIVE).values(state=RETIRED))
        await tx.execute(update(projection).where(projection.c.id == building.id).values(state=LIVE))
    await drop_retired(database)
    return Projection(building.id, building.zone, LIVE)


async def discard(database: Database, building: Projection) -> None:
    """Drop a built projection that is not wanted. Commits."""
    async with database.writing() as tx:
        await queries.lock_projections(tx)
        await tx.execute(update(projection).where(projection.c.id == building.id).values(state=RETIRED))
    await drop_retired(database)


async def drop_retired(database: Database) -> None:
    """Delete everything of retired projections, chunk by chunk so that nobody waits long. Commits."""
    for table in (case_ledger, case_day, rollup):
        while await _drop_some(database, table):
            pass
    async with database.writing() as tx:
        await tx.execute(delete(projection).where(projection.c.state == RETIRED))


async def _drop_some(database: Database, table: Table) -> int:
    key = list(table.primary_key.columns)
    retired = select(projection.c.id).where(projection.c.state == RETIRED)
    some = select(*key).where(table.c.projection.in_(retired)).limit(_DROPPED_AT_ONCE)
    async with database.sweeping() as tx:
        return (await tx.execute(delete(table).where(tuple_(*key).in_(some)))).rowcount


def compare(counted: dict[Cell, Tally], wanted: dict[Cell, Tally]) -> list[str]:
    """Return every cell in which a rollup differs from what it should be, in words."""
    return [
        f"{' '.join(str(value) for value in cell if value != '')} holds {_told(counted.get(cell))}, "
        f"not {_told(wanted.get(cell))}"
        for cell in sorted(counted.keys() | wanted.keys())
        if counted.get(cell) != wanted.get(cell)
    ]


def _told(tally: Tally | None) -> str:
    if tally is None:
        return "nothing"
    return f"{tally.n} ({tally.total})" if tally.total else str(tally.n)


async def _fold_envelopes(database: Database, building: Projection, batch: Sequence[Envelope]) -> int:
    """Fold a batch into a projection and return how many events could not be read. Commits."""
    told: list[Telling] = []
    unreadable = 0
    for envelope in batch:
        try:
            event = parse_event(envelope)
        except ContractError:
            unreadable += 1
            continue
        told += tellings(event, event_id=envelope.id, sequence=envelope.sequence)
    async with database.writing() as tx:
        await _lock_building(tx, building)
        await fold_facts(tx, building, told)
    return unreadable


async def _lock_building(tx: AsyncConnection, building: Projection) -> None:
    if building not in await queries.lock_projections(tx):
        raise BuildSuperseded


async def _add(tx: AsyncConnection, *, zone: str, state: str, now: datetime) -> Projection:
    values = {"zone": zone, "state": state, "created_at": now}
    row = (await tx.execute(insert(projection).values(values).returning(projection.c.id))).one()
    return Projection(row.id, zone, state)
