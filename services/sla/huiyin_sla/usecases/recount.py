"""Computes all clocks anew from the ledger, and finds stored ones that differ."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_sla import queries
from huiyin_sla.domain.clocks import Clock, clocks_of
from huiyin_sla.queries import StoredCase, StoredClock
from huiyin_sla.usecases.ledger import CLOCK_COLUMNS, clock_row, judged, terms_key
from huiyin_sla.usecases.terms import Terms, load_terms

_AT_A_TIME: Final = 500
Difference = tuple[str, str, int, str]


async def differences(tx: AsyncConnection, *, now: datetime) -> AsyncIterator[Difference]:
    """Give (ticket_id, target, cycle, what) of every stored clock that the ledger does not give at `now`."""
    last = ""
    while rows := await queries.cases_after(tx, last, limit=_AT_A_TIME):
        stored = await queries.load_cases(tx, rows)
        terms = await load_terms(tx, {terms_key(row) for row in rows.values()})
        for case in stored.values():
            for found in _compare(case, terms=terms[terms_key(case.row)], now=now):
                yield found
        last = max(rows)


def _compare(case: StoredCase, *, terms: Terms, now: datetime) -> Iterator[Difference]:
    computed = clocks_of(case.facts, policies=terms.policies, calendar=terms.calendar)
    expected = {(one.target, one.cycle): one for one in judged(case, computed, now=now)}
    for target, cycle in sorted(expected.keys() | case.clocks.keys()):
        what = _difference(expected.get((target, cycle)), case.clocks.get((target, cycle)))
        if what:
            yield case.row.id, target.value, cycle, what


def _difference(expected: Clock | None, stored: StoredClock | None) -> str:
    if stored is None:
        return "is missing"
    if expected is None:
        return "does not follow from any fact"
    ours = clock_row(stored, department=None)
    theirs = clock_row(StoredClock(expected, stored.warned_percent), department=None)
    found = zip(CLOCK_COLUMNS, ours, theirs, strict=True)
    return ", ".join(f"{name} is {one}, not {other}" for name, one, other in found if one != other)
