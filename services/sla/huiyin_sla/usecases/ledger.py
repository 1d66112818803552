"""The ledger: facts of a batch are added to their cases, and the clocks follow.

A batch costs a fixed number of statements whatever its size. The row of a case is its lock: facts, clocks and events
of one case change by one transaction at a time, and cases are locked in the order of their ids against deadlocks.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import Text, bindparam, literal, select, true
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from huiyin_contracts.event import Event
from huiyin_contracts.vocabulary import ClockState
from huiyin_eventbus.bulk import BulkInsert
from huiyin_eventbus.columns import UtcDateTime
from huiyin_eventbus.outbox import Outgoing, append
from huiyin_eventbus.rows import bind_rows, insert_into, rows_of
from huiyin_eventbus.subscriptions import Received
from huiyin_sla import queries
from huiyin_sla.domain.announcements import changes, next_check_at
from huiyin_sla.domain.clocks import Clock, clocks_of
from huiyin_sla.domain.facts import CaseFacts, Fact
from huiyin_sla.models import case_fact, clock, sla_case
from huiyin_sla.queries import CaseRow, ClockKey, StoredCase, StoredClock
from huiyin_sla.usecases.announcing import outgoing_of
from huiyin_sla.usecases.terms import Terms, active_terms, load_terms


@dataclass(frozen=True, slots=True)
class Note:
    """One fact to be noted of a case, with the event that told it."""

    case_id: str
    fact: Fact
    cause: Received[Event]
    department: str | None = None
    """Of a routing: where the case stands now."""


@dataclass(slots=True)
class Changed:
    """What a transaction has to write of its cases."""

    cases: list[CaseRow] = field(default_factory=list)
    clocks: list[tuple[Any, ...]] = field(default_factory=list)
    facts: list[tuple[Any, ...]] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)


async def note_facts(tx: AsyncConnection, notes: Sequence[Note], *, now: datetime) -> None:
    """Add facts to the ledger, move the clocks and tell what changed; known facts change nothing."""
    by_case: defaultdict[str, list[Note]] = defaultdict(list)
    for note in notes:
        by_case[note.case_id].append(note)
    if not by_case:
        return
    stored = await _open_cases(tx, sorted(by_case), now=now)
    terms = await load_terms(tx, {terms_key(case.row) for case in stored.values()})
    changed = Changed()
    for case_id, case in stored.items():
        _note(case, by_case[case_id], terms=terms[terms_key(case.row)], now=now, changed=changed)
    await save(tx, changed)


async def save(tx: AsyncConnection, changed: Changed) -> None:
    """Write what changed, each table in one statement, and append the events."""
    await _ADD_FACTS.write(tx, changed.facts)
    await _PUT_CASES.write(tx, changed.cases)
    await _PUT_CLOCKS.write(tx, changed.clocks)
    await append(tx, *changed.outgoing)


def terms_key(row: CaseRow) -> tuple[str, str]:
    """Return the names of the terms that a case is judged by."""
    return row.policies_version, row.calendar_version


def judged(case: StoredCase, clocks: Iterable[Clock], *, now: datetime) -> tuple[Clock, ...]:
    """Return clocks computed from facts as they are to be told.

    That a deadline has passed with nothing known is for the sweep to find; until then the work may be on its way in
    the log. But what was found stays found: a clock told as breached is judged by the time.
    """
    told = {key for key, stored in case.clocks.items() if stored.clock.state is ClockState.BREACHED}
    return tuple(one.as_of(now) if (one.target, one.cycle) in told else one for one in clocks)


def checked(row: CaseRow, clocks: Iterable[StoredClock]) -> CaseRow:
    """Return a case's row with the time of its next check."""
    checks = (next_check_at(each.clock, warned=each.warned) for each in clocks)
    return row.to_check(min((at for at in checks if at is not None), default=None))


def clock_row(stored: StoredClock, *, department: str | None) -> tuple[Any, ...]:
    """Return the values of a clock's row in the order of its columns."""
    one = stored.clock
    return (
        one.case_id,
        one.target.value,
        one.cycle,
        department,
        one.policy,
        one.state.value,
        one.started_at,
        one.due_at,
        one.met_at,
        one.paused_at,
        one.ended_at,
        one.calendar,
        one.calendar_version,
        stored.warned_percent,
    )


def differs(stored: StoredClock, before: Mapping[ClockKey, StoredClock]) -> bool:
    """Tell whether a clock is new or not as it was stored."""
    known = before.get(stored.key)
    if known is None or known.warned_percent != stored.warned_percent:
        return True
    return not known.clock.says_the_same_as(stored.clock)


def _note(case: StoredCase, notes: Sequence[Note], *, terms: Terms, now: datetime, changed: Changed) -> None:
    new = {note.fact: note for note in notes if note.fact not in case.facts.facts}
    if not new:
        return
    facts = case.facts.with_facts(*new)
    computed = clocks_of(facts, policies=terms.policies, calendar=terms.calendar)
    after = judged(case, computed, now=now)
    told = changes((each.clock for each in case.clocks.values()), after, now=now)
    routing, department = _place(case.row, new.values())
    stored = [StoredClock(each, _warned_percent(case, (each.target, each.cycle))) for each in after]
    cause = notes[-1].cause
    changed.facts += [_fact_row(case.row.id, fact) for fact in new]
    changed.cases.append(checked(case.row.placed(routing=routing, department=department), stored))
    changed.clocks += [
        clock_row(each, department=department)
        for each in stored
        if department != case.row.department or differs(each, case.clocks)
    ]
    changed.outgoing += outgoing_of(told, department=department, cause=cause, now=now)


def _warned_percent(case: StoredCase, key: ClockKey) -> int:
    known = case.clocks.get(key)
    return known.warned_percent if known else 0


def _place(row: CaseRow, notes: Iterable[Note]) -> tuple[int, str | None]:
    """Return the number of the newest routing known and where it put the case."""
    routings = [(note.fact.sequence, note.department) for note in notes if note.fact.kind == "routed"]
    newest = max(routings, key=lambda one: one[0], default=(0, None))
    return newest if newest[0] > row.routing else (row.routing, row.department)


async def _open_cases(
    tx: AsyncConnection, case_ids: Sequence[str], *, now: datetime
) -> dict[str, StoredCase]:
    """Return cases, locked; those heard of for the first time are added under the terms in force."""
    known = await queries.lock_cases(tx, case_ids)
    missing = [case_id for case_id in case_ids if case_id not in known]
    added = await _add_cases(tx, missing, now=now) if missing else {}
    if len(added) < len(missing):
        # Another process was first with these, and has committed meanwhile.
        known |= await queries.lock_cases(tx, [case_id for case_id in missing if case_id not in added])
    new = {case_id: StoredCase(row, CaseFacts(case_id), {}) for case_id, row in added.items()}
    return {**await queries.load_cases(tx, known), **new}


async def _add_cases(tx: AsyncConnection, case_ids: Sequence[str], *, now: datetime) -> dict[str, CaseRow]:
    """Add cases and return those that were not there; waits for other processes that are adding them."""
    dialect = tx.dialect.name
    policies_version, calendar_version = await active_terms(tx)
    values = {"policies": policies_version, "calendar": calendar_version, "now": now}
    bound = bind_rows(dialect, _IDS, [(case_id,) for case_id in case_ids])
    added = await tx.execute(_insert_cases(dialect), {**values, **bound})
    return {
        case_id: CaseRow(case_id, None, 0, policies_version, calendar_version, None, now)
        for case_id in added.scalars()
    }


def _fact_row(case_id: str, fact: Fact) -> tuple[Any, ...]:
    outcome = fact.outcome.value if fact.outcome else ""
    return (case_id, fact.kind, fact.sequence, fact.at, fact.policy or "", outcome)


@cache
def _insert_cases(dialect: str) -> ReturningInsert[Any]:
    given = rows_of(dialect, _IDS)
    wanted = select(
        given.c.id,
        literal(0),
        bindparam("policies", type_=Text),
        bindparam("calendar", type_=Text),
        bindparam("now", type_=UtcDateTime),
    ).where(true())
    names = ["id", "routing", "policies_version", "calendar_version", "opened_at"]
    put = insert_into(dialect, sla_case).from_select(names, wanted)
    return put.on_conflict_do_nothing(index_elements=["id"]).returning(sla_case.c.id)


_IDS: Final[Mapping[str, type]] = {"id": str}
_ADD_FACTS: Final = BulkInsert(
    case_fact, case_fact.c.keys(), conflict=lambda put: put.on_conflict_do_nothing()
)
_PUT_CASES: Final = BulkInsert(
    sla_case,
    sla_case.c.keys(),
    conflict=lambda put: put.on_conflict_do_update(
        index_elements=["id"],
        set_={name: put.excluded[name] for name in ("department", "routing", "next_check_at")},
    ),
)
CLOCK_COLUMNS: Final = tuple(clock.c.keys())
_CLOCK_KEY: Final = tuple(clock.primary_key.columns.keys())
_PUT_CLOCKS: Final = BulkInsert(
    clock,
    CLOCK_COLUMNS,
    conflict=lambda put: put.on_conflict_do_update(
        index_elements=_CLOCK_KEY,
        set_={name: put.excluded[name] for name in CLOCK_COLUMNS if name not in _CLOCK_KEY},
    ),
)
