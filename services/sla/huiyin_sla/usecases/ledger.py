"""The ledger: facts of a batch are added to their cases, and the clocks follow.

A batch costs a fixed number of statements whatever its size. The row of a case is its lock: facts, clocks and events
of one case change by one transaction at a time, and cases are locked in the order of their ids against deadlocks.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.event import Event
from huiyin_contracts.vocabulary import ClockState
from huiyin_eventbus.outbox import Outgoing, append
from huiyin_eventbus.rows import insert_into
from huiyin_eventbus.subscriptions import Received
from huiyin_sla import queries
from huiyin_sla.domain.announcements import changes, next_check_at
from huiyin_sla.domain.clocks import Clock, clocks_of
from huiyin_sla.domain.facts import Fact
from huiyin_sla.models import case_fact, clock, sla_case
from huiyin_sla.queries import ClockKey, StoredCase, StoredClock
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

    cases: list[dict[str, Any]] = field(default_factory=list)
    clocks: list[dict[str, Any]] = field(default_factory=list)
    facts: list[dict[str, Any]] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)


async def note_facts(tx: AsyncConnection, notes: Sequence[Note], *, now: datetime) -> None:
    """Add facts to the ledger, move the clocks and tell what changed; known facts change nothing."""
    by_case: defaultdict[str, list[Note]] = defaultdict(list)
    for note in notes:
        by_case[note.case_id].append(note)
    stored = await queries.load_cases(tx, await _open_cases(tx, sorted(by_case), now=now))
    terms = await load_terms(tx, {terms_key(case.row) for case in stored.values()})
    changed = Changed()
    for case_id, case in stored.items():
        _note(case, by_case[case_id], terms=terms[terms_key(case.row)], now=now, changed=changed)
    await save(tx, changed)


async def save(tx: AsyncConnection, changed: Changed) -> None:
    """Write what changed, each table in one statement, and append the events."""
    await _put(tx, case_fact, changed.facts, updating=())
    await _put(tx, sla_case, changed.cases, updating=("department", "routing", "next_check_at"))
    await _put(tx, clock, changed.clocks, updating=tuple(clock.c.keys()))
    await append(tx, *changed.outgoing)


def terms_key(row: Row[Any]) -> tuple[str, str]:
    """Return the names of the terms that a case is judged by."""
    return row.policies_version, row.calendar_version


def judged(case: StoredCase, clocks: Iterable[Clock], *, now: datetime) -> tuple[Clock, ...]:
    """Return clocks computed from facts as they are to be told.

    That a deadline has passed with nothing known is for the sweep to find; until then the work may be on its way in
    the log. But what was found stays found: a clock told as breached is judged by the time.
    """
    told = {key for key, stored in case.clocks.items() if stored.clock.state is ClockState.BREACHED}
    return tuple(one.as_of(now) if (one.target, one.cycle) in told else one for one in clocks)


def case_values(row: Row[Any], clocks: Iterable[StoredClock], **given: Any) -> dict[str, Any]:
    """Return the values of a case's row with the time of its next check."""
    checks = (next_check_at(each.clock, warned=each.warned) for each in clocks)
    earliest = min((at for at in checks if at is not None), default=None)
    return {**row._mapping, **given, "next_check_at": earliest}


def clock_values(stored: StoredClock, *, department: str | None) -> dict[str, Any]:
    """Return the values of a clock's row."""
    one = stored.clock
    return {
        "ticket_id": one.case_id,
        "target": one.target.value,
        "cycle": one.cycle,
        "department": department,
        "policy": one.policy,
        "state": one.state.value,
        "started_at": one.started_at,
        "due_at": one.due_at,
        "met_at": one.met_at,
        "paused_at": one.paused_at,
        "ended_at": one.ended_at,
        "calendar": one.calendar,
        "calendar_version": one.calendar_version,
        "warned_percent": stored.warned_percent,
    }


def differs(stored: StoredClock, before: Mapping[ClockKey, StoredClock]) -> bool:
    """Tell whether a clock is new or not as it was stored."""
    known = before.get(stored.key)
    return known is None or clock_values(known, department=None) != clock_values(stored, department=None)


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
    changed.facts += [_fact_values(case.row.id, fact) for fact in new]
    changed.cases.append(case_values(case.row, stored, department=department, routing=routing))
    changed.clocks += [
        clock_values(each, department=department)
        for each in stored
        if department != case.row.department or differs(each, case.clocks)
    ]
    changed.outgoing += [outgoing_of(each, department=department, cause=cause, now=now) for each in told]


def _warned_percent(case: StoredCase, key: ClockKey) -> int:
    known = case.clocks.get(key)
    return known.warned_percent if known else 0


def _place(row: Row[Any], notes: Iterable[Note]) -> tuple[int, str | None]:
    """Return the number of the newest routing known and where it put the case."""
    routings = [(note.fact.sequence, note.department) for note in notes if note.fact.kind == "routed"]
    newest = max(routings, key=lambda one: one[0], default=(0, None))
    return newest if newest[0] > row.routing else (row.routing, row.department)


async def _open_cases(tx: AsyncConnection, case_ids: Sequence[str], *, now: datetime) -> dict[str, Row[Any]]:
    """Return the locked rows of cases; those heard of for the first time are added under the terms in force."""
    known = await queries.lock_cases(tx, case_ids)
    missing = [case_id for case_id in case_ids if case_id not in known]
    if not missing:
        return known
    policies_version, calendar_version = await active_terms(tx)
    added = {
        "department": None,
        "routing": 0,
        "policies_version": policies_version,
        "calendar_version": calendar_version,
        "next_check_at": None,
        "opened_at": now,
    }
    await _put(tx, sla_case, [{"id": case_id, **added} for case_id in missing], updating=())
    return {**known, **await queries.lock_cases(tx, missing)}


async def _put(
    tx: AsyncConnection, table: Any, rows: Sequence[Mapping[str, Any]], *, updating: Sequence[str]
) -> None:
    if not rows:
        return
    put = insert_into(tx.dialect.name, table)
    key = [column.name for column in table.primary_key]
    values = {name: put.excluded[name] for name in updating if name not in key}
    upsert = (
        put.on_conflict_do_update(index_elements=key, set_=values)
        if values
        else put.on_conflict_do_nothing(index_elements=key)
    )
    await tx.execute(upsert, [dict(row) for row in rows])


def _fact_values(case_id: str, fact: Fact) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "kind": fact.kind,
        "sequence": fact.sequence,
        "at": fact.at,
        "policy": fact.policy or "",
        "outcome": fact.outcome.value if fact.outcome else "",
    }
