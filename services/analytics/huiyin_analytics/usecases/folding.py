"""Events become facts of cases, and what changed of a case changes the rollup.

A batch takes the same few statements whatever its size: the projections, the ledgers of its cases, the ledgers back,
days, and the sums of all differences. Nothing here needs the inbox: a fact told twice changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_analytics import queries
from huiyin_analytics.domain.contributions import CELL_COLUMNS, Cell, contribution_of, differences
from huiyin_analytics.domain.facts import Telling, tellings
from huiyin_analytics.domain.ledger import Fact, Ledger, merged, to_json
from huiyin_analytics.errors import ProjectionMissing
from huiyin_analytics.models import case_day, case_ledger, rollup
from huiyin_analytics.queries import Projection
from huiyin_contracts.event import Event
from huiyin_eventbus.rows import insert_into
from huiyin_eventbus.subscriptions import Received

_NO_LEDGER: Final[Ledger] = {}


async def fold_events(tx: AsyncConnection, received: Sequence[Received[Event]]) -> None:
    """Enter events into the live projection and into those that are being built; never commits.

    Raises ProjectionMissing when none is live.
    """
    projections = await queries.lock_projections(tx)
    if not any(each.is_live for each in projections):
        raise ProjectionMissing
    told = [
        telling for one in received for telling in tellings(one.event, event_id=one.id, sequence=one.sequence)
    ]
    for projection in projections:
        await fold_facts(tx, projection, told)


async def fold_facts(tx: AsyncConnection, projection: Projection, told: Iterable[Telling]) -> None:
    """Enter facts into the ledgers of one projection and change its rollup by the difference; never commits.

    The caller holds the projection's lock (`queries.lock_projections`), so that nobody folds beside it.
    """
    facts: dict[str, list[Fact]] = {}
    for case_id, fact in told:
        facts.setdefault(case_id, []).append(fact)
    if not facts:
        return
    known = await queries.find_ledgers(tx, projection.id, facts)
    change = _Change(ZoneInfo(projection.zone))
    for case_id, said in facts.items():
        before = known.get(case_id, _NO_LEDGER)
        change.note(case_id, before, merged(before, said))
    await _save(tx, projection.id, change)


class _Change:
    """What a batch changes: ledgers, the days on which cases count, and cells."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self.ledgers: dict[str, Ledger] = {}
        self.new_days: list[tuple[str, str]] = []
        self.old_days: list[tuple[str, str]] = []
        self.cells: dict[Cell, list[int]] = {}

    def note(self, case_id: str, before: Ledger, after: Ledger) -> None:
        """Take in one case as it was and as it is."""
        if after is before:
            return
        self.ledgers[case_id] = after
        old, new = contribution_of(before, self._zone), contribution_of(after, self._zone)
        for cell, tally in differences(old, new):
            sums = self.cells.setdefault(cell, [0, 0])
            sums[0] += tally.n
            sums[1] += tally.total
        old_days, new_days = {cell.day for cell in old}, {cell.day for cell in new}
        self.new_days += [(day, case_id) for day in new_days - old_days]
        self.old_days += [(day, case_id) for day in old_days - new_days]


async def _save(tx: AsyncConnection, projection_id: int, change: _Change) -> None:
    dialect = tx.dialect.name
    if change.ledgers:
        rows = [
            {"projection": projection_id, "id": case_id, "facts": to_json(change.ledgers[case_id])}
            for case_id in sorted(change.ledgers)
        ]
        await tx.execute(_put_ledgers(dialect), rows)
    if change.new_days:
        await tx.execute(_add_days(dialect), _day_rows(projection_id, change.new_days))
    if change.old_days:
        await tx.execute(_DROP_DAYS, _day_rows(projection_id, change.old_days, prefix="b_"))
    cells = [
        {"projection": projection_id, **dict(zip(CELL_COLUMNS, cell, strict=True)), "n": n, "total": total}
        for cell, (n, total) in sorted(change.cells.items())
        if n or total
    ]
    if cells:
        await tx.execute(_add_to_cells(dialect), cells)


def _day_rows(
    projection_id: int, days: Iterable[tuple[str, str]], prefix: str = ""
) -> list[Mapping[str, Any]]:
    return [
        {f"{prefix}projection": projection_id, f"{prefix}day": day, f"{prefix}id": case_id}
        for day, case_id in sorted(days)
    ]


@cache
def _put_ledgers(dialect: str) -> Any:
    put = insert_into(dialect, case_ledger)
    return put.on_conflict_do_update(index_elements=["projection", "id"], set_={"facts": put.excluded.facts})


@cache
def _add_days(dialect: str) -> Any:
    return insert_into(dialect, case_day).on_conflict_do_nothing(index_elements=["projection", "day", "id"])


_DROP_DAYS: Final = delete(case_day).where(
    case_day.c.projection == bindparam("b_projection"),
    case_day.c.day == bindparam("b_day"),
    case_day.c.id == bindparam("b_id"),
)


@cache
def _add_to_cells(dialect: str) -> Any:
    put = insert_into(dialect, rollup)
    return put.on_conflict_do_update(
        index_elements=list(rollup.primary_key.columns),
        set_={"n": rollup.c.n + put.excluded.n, "total": rollup.c.total + put.excluded.total},
    )
