"""The sweep: finds deadlines and warning points that have passed, and tells each once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.rows import insert_into
from huiyin_sla import queries
from huiyin_sla.domain.announcements import Breached, changes, warnings_due
from huiyin_sla.domain.clocks import Clock, WarningPoint, clocks_of
from huiyin_sla.models import sweep_mark
from huiyin_sla.queries import StoredCase, StoredClock
from huiyin_sla.usecases.announcing import outgoing_of, warning_of
from huiyin_sla.usecases.ledger import Changed, checked, clock_row, differs, save, terms_key
from huiyin_sla.usecases.terms import Terms, load_terms

BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """What one batch of the sweep found; `late_by` tells, for each breach, how long after its deadline."""

    cases: int
    warnings: int
    late_by: tuple[timedelta, ...]


async def sweep_deadlines(tx: AsyncConnection, *, now: datetime, limit: int = BATCH) -> Swept:
    """Judge the cases whose next check has passed, at most `limit`, and tell what is warned of or missed.

    Cases are locked, and those that another process has locked are left to it: so two sweeps at the same time tell
    nothing twice. Fewer cases than `limit` means that no more are due.
    """
    rows = await queries.claim_due_cases(tx, now=now, limit=limit)
    if not rows:
        return Swept(0, 0, ())
    stored = await queries.load_cases(tx, rows)
    terms = await load_terms(tx, {terms_key(row) for row in rows.values()})
    changed, late_by, warnings = Changed(), list[timedelta](), 0
    for case in stored.values():
        found = _judge(case, terms=terms[terms_key(case.row)], now=now, changed=changed)
        late_by += [now - breach.clock.due_at for breach in found.breaches]
        warnings += found.warnings
    await save(tx, changed)
    return Swept(len(rows), warnings, tuple(late_by))


async def mark_seen(tx: AsyncConnection, *, now: datetime) -> None:
    """Store the time that the sweep has seen."""
    put = insert_into(tx.dialect.name, sweep_mark).values(id=1, seen_at=now)
    await tx.execute(put.on_conflict_do_update(index_elements=["id"], set_={"seen_at": now}))


@dataclass(frozen=True, slots=True)
class _Found:
    breaches: tuple[Breached, ...]
    warnings: int


def _judge(case: StoredCase, *, terms: Terms, now: datetime, changed: Changed) -> _Found:
    department = case.row.department
    computed = clocks_of(case.facts, policies=terms.policies, calendar=terms.calendar)
    after = tuple(each.as_of(now) for each in computed)
    told = changes((each.clock for each in case.clocks.values()), after, now=now)
    stored, warnings = [], 0
    for each in after:
        one, due = _warned(case, each, now=now)
        changed.outgoing += [warning_of(each, point, department=department) for point in due]
        stored.append(one)
        warnings += len(due)
    changed.outgoing += outgoing_of(told, department=department, cause=None, now=now)
    changed.clocks += [
        clock_row(each, department=department) for each in stored if differs(each, case.clocks)
    ]
    changed.cases.append(checked(case.row, stored))
    return _Found(tuple(each for each in told if isinstance(each, Breached)), warnings)


def _warned(case: StoredCase, clock: Clock, *, now: datetime) -> tuple[StoredClock, tuple[WarningPoint, ...]]:
    known = case.clocks.get((clock.target, clock.cycle))
    percent = known.warned_percent if known else 0
    before = StoredClock(clock, percent)
    due = warnings_due(clock, now=now, warned=before.warned)
    return StoredClock(clock, max((percent, *(point.percent for point in due)))), due
