"""Events become facts of cases, and what changed of a case changes the rollup.

A batch takes the same few statements whatever its size: the projections, the ledgers of its cases, the ledgers back,
days, and the sums of all differences. Nothing here needs the inbox: a fact told twice changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_analytics import queries
from huiyin_analytics.domain.cells import CELL_COLUMNS, Cell, Increment, days_of
from huiyin_analytics.domain.contributions import contribution_of, increments_apart, is_silent
from huiyin_analytics.domain.facts import Telling, tellings
from huiyin_analytics.domain.ledger import Fact, Ledger, news
from huiyin_analytics.errors import ProjectionMissing
from huiyin_analytics.models import case_day, case_ledger, rollup
from huiyin_analytics.queries import Projection
from huiyin_contracts.event import Event
from huiyin_eventbus.bulk import BulkInsert
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
        telling
        for one in received
        for telling in tellings(one.event, event_id=one.envelope.id, sequence=one.envelope.sequence)
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
        change.note(case_id, known.get(case_id, _NO_LEDGER), said)
    await _save(tx, projection.id, change)


class _Change:
    """What a batch changes: ledgers, the days on which cases count, and cells."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self.ledgers: dict[str, Ledger] = {}
        self.new_days: list[tuple[str, str]] = []
        self.old_days: list[tuple[str, str]] = []
        self.cells: dict[Cell, list[int]] = {}

    def note(self, case_id: str, before: Ledger, said: Iterable[Fact]) -> None:
        """Take in what is said of one case."""
        entered = news(before, said)
        if not entered:
            return
        self.ledgers[case_id] = {**before, **entered}
        if all(
            is_silent(name, one) and is_silent(name, before.get(name, one)) for name, one in entered.items()
        ):
            return
        old, new = increments_apart(before, entered, self._zone)
        self._sum_up(old, sign=-1)
        self._sum_up(new, sign=1)
        self._note_days(case_id, days_of(cell for cell, _ in old), days_of(cell for cell, _ in new))

    def _sum_up(self, increments: Iterable[Increment], *, sign: int) -> None:
        for cell, total in increments:
            sums = self.cells.get(cell)
            if sums is None:
                self.cells[cell] = [sign, sign * total]
            else:
                sums[0] += sign
                sums[1] += sign * total

    def _note_days(self, case_id: str, old: set[str], new: set[str]) -> None:
        if not old <= new:
            # On a day that one part has left, another part may still count.
            new = days_of(contribution_of(self.ledgers[case_id], self._zone))
        self.new_days += [(day, case_id) for day in new - old]
        self.old_days += [(day, case_id) for day in old - new]


async def _save(tx: AsyncConnection, projection_id: int, change: _Change) -> None:
    ledgers = sorted(change.ledgers.items())
    await _PUT_LEDGERS.write(tx, [(projection_id, case_id, ledger) for case_id, ledger in ledgers])
    await _ADD_DAYS.write(tx, [(projection_id, day, case_id) for day, case_id in sorted(change.new_days)])
    if change.old_days:
        await tx.execute(_DROP_DAYS, _day_rows(projection_id, change.old_days))
    await _ADD_TO_CELLS.write(
        tx,
        [(projection_id, *cell, n, total) for cell, (n, total) in sorted(change.cells.items()) if n or total],
    )


def _day_rows(projection_id: int, days: Iterable[tuple[str, str]]) -> list[Mapping[str, Any]]:
    return [{"b_projection": projection_id, "b_day": day, "b_id": case_id} for day, case_id in sorted(days)]


_PUT_LEDGERS: Final = BulkInsert(
    case_ledger,
    ("projection", "id", "facts"),
    conflict=lambda put: put.on_conflict_do_update(
        index_elements=["projection", "id"], set_={"facts": put.excluded.facts}
    ),
)
_ADD_DAYS: Final = BulkInsert(
    case_day,
    ("projection", "day", "id"),
    conflict=lambda put: put.on_conflict_do_nothing(index_elements=["projection", "day", "id"]),
)
_DROP_DAYS: Final = delete(case_day).where(
    case_day.c.projection == bindparam("b_projection"),
    case_day.c.day == bindparam("b_day"),
    case_day.c.id == bindparam("b_id"),
)


_ADD_TO_CELLS: Final = BulkInsert(
    rollup,
    ("projection", *CELL_COLUMNS, "n", "total"),
    conflict=lambda put: put.on_conflict_do_update(
        index_elements=list(rollup.primary_key.columns),
        set_={"n": rollup.c.n + put.excluded.n, "total": rollup.c.total + put.excluded.total},
    ),
)
