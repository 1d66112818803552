"""What analytics tells `huiyin verify`, and what it recounts: rollups against ledgers and against the other services."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_analytics import queries
from huiyin_analytics.domain.cells import Cell, Measure, Tally
from huiyin_analytics.usecases.projections import compare
from huiyin_chassis.service import Check, Fact, Recount

Key = tuple[str, ...]

_OUTCOMES: Final = frozenset({"ticket", "attached", "triage", "thanked", "not_feedback"})


async def rollups(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give every cell of the live rollup with its count and total."""
    live = await queries.find_live_projection(tx)
    for cell, tally in (await queries.cells(tx, live.id)).items() if live else ():
        yield (*cell, *tally)


async def recounted(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give every cell as counted anew from the ledgers."""
    live = await queries.find_live_projection(tx)
    for cell, tally in (await queries.recounted_cells(tx, live)).items() if live else ():
        yield (*cell, *tally)


async def zone(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give the zone of the rollup's days; nothing before the service was first started."""
    live = await queries.find_live_projection(tx)
    if live is not None:
        yield (live.zone,)


FACTS: Final[Mapping[str, Fact]] = {
    "analytics.rollups": rollups,
    "analytics.recounted": recounted,
    "analytics.zone": zone,
}


async def rollups_equal_a_recount(recount: Recount) -> Sequence[str]:
    """Return cells in which the rollup differs from what the ledgers add up to."""
    counted, wanted = await _cells(recount, "analytics.rollups"), await _cells(recount, "analytics.recounted")
    return compare(counted, wanted)


async def received_is_counted(recount: Recount) -> Sequence[str]:
    """Return local dates and channels in which received feedback and its count differ."""
    zones = [row[0] async for row in recount.facts("analytics.zone")]
    days = ZoneInfo(zones[0]) if zones else ZoneInfo("UTC")
    accepted: Counter[Key] = Counter(
        [(_local_day(row[2], days), row[1]) async for row in recount.facts("intake.feedback")]
    )
    counted = await _counts(recount, Measure.RECEIVED, "day", "channel")
    return _differences(counted, accepted, what="feedback received")


async def outcomes_are_counted(recount: Recount) -> Sequence[str]:
    """Return outcomes whose count differs from the router's."""
    decided: Counter[Key] = Counter(
        [(row[1],) async for row in recount.facts("router.outcomes") if row[1] in _OUTCOMES]
    )
    return _differences(await _counts(recount, Measure.OUTCOME, "variant"), decided, what="outcomes")


async def tickets_are_counted(recount: Recount) -> Sequence[str]:
    """Return departments whose count of tickets, or of archived ones, differs from the desk's."""
    desk = [row async for row in recount.facts("desk.tickets")]
    routed = await _counts(recount, Measure.ROUTED, "department")
    closed = await _counts(recount, Measure.CLOSED, "department")
    tickets: Counter[Key] = Counter([(row[1],) for row in desk])
    archived: Counter[Key] = Counter([(row[1],) for row in desk if row[2] == "archived"])
    return [
        *_differences(routed, tickets, what="tickets"),
        *_differences(closed, archived, what="archived tickets"),
    ]


async def clocks_are_counted(recount: Recount) -> Sequence[str]:
    """Return targets whose count of met or breached clocks differs from that of sla."""
    clocks = Counter([(row[3], row[1]) async for row in recount.facts("sla.clocks")])
    found: list[str] = []
    for state, measure in (("met", Measure.MET), ("breached", Measure.BREACHED)):
        wanted: Counter[Key] = Counter(
            {(target,): n for (in_state, target), n in clocks.items() if in_state == state}
        )
        found += _differences(await _counts(recount, measure, "variant"), wanted, what=f"clocks {state}")
    return found


CHECKS: Final = (
    Check("rollups equal a recount", rollups_equal_a_recount),
    Check("rollups count every received feedback", received_is_counted),
    Check("rollups count every outcome", outcomes_are_counted),
    Check("rollups count every ticket", tickets_are_counted),
    Check("rollups count every clock met or breached", clocks_are_counted),
)


async def _cells(recount: Recount, fact: str) -> dict[Cell, Tally]:
    return {Cell(*row[:-2]): Tally(*row[-2:]) async for row in recount.facts(fact)}


async def _counts(recount: Recount, measure: Measure, *dimensions: str) -> Counter[Key]:
    counted: Counter[Key] = Counter()
    for cell, tally in (await _cells(recount, "analytics.rollups")).items():
        if cell.measure == measure:
            counted[tuple(getattr(cell, name) for name in dimensions)] += tally.n
    return counted


def _differences(counted: Counter[Key], wanted: Counter[Key], *, what: str) -> list[str]:
    return [
        f"{what} {' '.join(key)}: {counted[key]} counted, {wanted[key]} there"
        for key in sorted(counted.keys() | wanted.keys())
        if counted[key] != wanted[key]
    ]


def _local_day(at: datetime, days: ZoneInfo) -> str:
    return at.astimezone(days).date().isoformat()
