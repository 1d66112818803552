"""What can be read of the clocks, the ledger behind them, and the terms they are judged by."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import ColumnElement, Row, Select, Table, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import Principal
from huiyin_contracts.vocabulary import ClockState, Outcome, Target
from huiyin_eventbus.rows import bind_rows, rows_of
from huiyin_sla.domain.clocks import WARNING_PERCENTS, Clock
from huiyin_sla.domain.facts import CaseFacts, Fact
from huiyin_sla.models import calendar, case_fact, clock, policies, sla_case, sweep_mark

ClockKey = tuple[Target, int]
_IDS: Final[Mapping[str, type]] = {"id": str}
_OUTCOMES: Final = {each.value: each for each in Outcome}


class StoredClock(NamedTuple):
    """A clock as it was last told, and the highest share of it that was warned of."""

    clock: Clock
    warned_percent: int = 0

    @property
    def key(self) -> ClockKey:
        """Return which clock of its case it is."""
        return self.clock.target, self.clock.cycle

    @property
    def warned(self) -> tuple[int, ...]:
        """Return the shares that were warned of."""
        return tuple(percent for percent in WARNING_PERCENTS if percent <= self.warned_percent)


class CaseRow(NamedTuple):
    """A case's own row, in the order of its columns."""

    id: str
    department: str | None
    routing: int
    policies_version: str
    calendar_version: str
    next_check_at: datetime | None
    opened_at: datetime

    def placed(self, *, routing: int, department: str | None) -> Self:
        """Return the row with the newest routing known."""
        return self._replace(routing=routing, department=department)

    def to_check(self, at: datetime | None) -> Self:
        """Return the row with the time of the next check."""
        return self._replace(next_check_at=at)


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case with all that is known of it."""

    row: CaseRow
    facts: CaseFacts
    clocks: Mapping[ClockKey, StoredClock]


@dataclass(frozen=True, slots=True)
class Poll:
    """What the sweep asks first: the database's time, and when the earliest case needs a look."""

    now: datetime
    next_check_at: datetime | None

    @property
    def is_due(self) -> bool:
        """Tell whether a case needs a look now."""
        return self.next_check_at is not None and self.next_check_at < self.now


async def poll(tx: AsyncConnection, *, now: datetime) -> Poll:
    """Return the time and the earliest check, in one statement.

    The time is that of the database, which all processes share; on SQLite it is `now`, that of this machine.
    """
    earliest = (
        select(func.min(sla_case.c.next_check_at))
        .where(sla_case.c.next_check_at.is_not(None))
        .scalar_subquery()
    )
    if tx.dialect.name == "sqlite":
        return Poll(now, (await tx.execute(select(earliest))).scalar_one())
    row = (await tx.execute(select(func.clock_timestamp(), earliest))).one()
    return Poll(row[0], row[1])


async def lock_cases(tx: AsyncConnection, case_ids: Iterable[str]) -> dict[str, CaseRow]:
    """Return the rows of those cases that are known, locked until the commit."""
    dialect = tx.dialect.name
    bound = bind_rows(dialect, _IDS, [(case_id,) for case_id in case_ids])
    return {row[0]: CaseRow(*row) for row in await tx.execute(_locked(dialect), bound)}


async def claim_due_cases(tx: AsyncConnection, *, now: datetime, limit: int) -> dict[str, CaseRow]:
    """Return the cases that need a look, earliest first, locked; those that another process holds are left out."""
    wanted = (
        select(sla_case)
        .where(sla_case.c.next_check_at < now)
        .order_by(sla_case.c.next_check_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return {row[0]: CaseRow(*row) for row in await tx.execute(wanted)}


async def load_cases(tx: AsyncConnection, rows: Mapping[str, CaseRow]) -> dict[str, StoredCase]:
    """Return the cases of these rows with their facts and clocks, in two statements."""
    if not rows:
        return {}
    facts = await _facts_of(tx, rows)
    clocks = await _clocks_of(tx, rows)
    return {
        case_id: StoredCase(
            row,
            CaseFacts(case_id, frozenset(facts.get(case_id, ()))),
            {stored.key: stored for stored in clocks.get(case_id, ())},
        )
        for case_id, row in rows.items()
    }


async def cases_after(tx: AsyncConnection, case_id: str, *, limit: int) -> dict[str, CaseRow]:
    """Return the next cases by id, without a lock; for a walk through all of them."""
    wanted = select(sla_case).where(sla_case.c.id > case_id).order_by(sla_case.c.id).limit(limit)
    return {row[0]: CaseRow(*row) for row in await tx.execute(wanted)}


async def _facts_of(tx: AsyncConnection, case_ids: Iterable[str]) -> dict[str, list[Fact]]:
    found: defaultdict[str, list[Fact]] = defaultdict(list)
    for case_id, kind, sequence, at, policy, outcome in await _rows_of_cases(tx, _of_cases_facts, case_ids):
        said = _OUTCOMES[outcome] if outcome else None
        found[case_id].append(Fact(kind, at, sequence, policy=policy or None, outcome=said))
    return found


async def _clocks_of(tx: AsyncConnection, case_ids: Iterable[str]) -> dict[str, list[StoredClock]]:
    found: defaultdict[str, list[StoredClock]] = defaultdict(list)
    for row in await _rows_of_cases(tx, _of_cases_clocks, case_ids):
        found[row.ticket_id].append(StoredClock(clock_of(row), row.warned_percent))
    return found


async def _rows_of_cases(
    tx: AsyncConnection, select_for: Callable[[str], Select[Any]], case_ids: Iterable[str]
) -> list[Any]:
    dialect = tx.dialect.name
    bound = bind_rows(dialect, _IDS, [(case_id,) for case_id in case_ids])
    return list(await tx.execute(select_for(dialect), bound))


@cache
def _locked(dialect: str) -> Select[Any]:
    wanted = select(sla_case).where(_given(dialect, sla_case.c.id)).order_by(sla_case.c.id)
    return wanted.with_for_update(of=sla_case)


@cache
def _of_cases_facts(dialect: str) -> Select[Any]:
    return select(case_fact).where(_given(dialect, case_fact.c.case_id))


@cache
def _of_cases_clocks(dialect: str) -> Select[Any]:
    return select(clock).where(_given(dialect, clock.c.ticket_id))


def _given(dialect: str, column: ColumnElement[str]) -> ColumnElement[bool]:
    # Not a join: SQLite would sooner or later walk the whole table and look each row up among those given.
    return column.in_(select(rows_of(dialect, _IDS).c.id))


def clock_of(row: Row[Any]) -> Clock:
    """Return the clock of a row; warning points are not stored, because they follow from the facts."""
    return Clock(
        case_id=row.ticket_id,
        target=Target(row.target),
        cycle=row.cycle,
        policy=row.policy,
        started_at=row.started_at,
        due_at=row.due_at,
        warning_points=(),
        calendar=row.calendar,
        calendar_version=row.calendar_version,
        state=ClockState(row.state),
        met_at=row.met_at,
        paused_at=row.paused_at,
        ended_at=row.ended_at,
    )


def select_clocks(
    principal: Principal,
    *,
    now: datetime,
    ticket_id: str | None = None,
    state: str | None = None,
    target: str | None = None,
    department: str | None = None,
) -> Select[Any]:
    """Return the select of the clocks a caller may see, narrowed by the filters given.

    `state_now` is the state at `now`: a running clock past its deadline is breached, swept or not.
    """
    overdue = and_(clock.c.state == ClockState.RUNNING.value, clock.c.due_at < now)
    state_now = case((overdue, ClockState.BREACHED.value), else_=clock.c.state)
    wanted = {
        clock.c.ticket_id: ticket_id,
        state_now: state,
        clock.c.target: target,
        clock.c.department: department,
    }
    filters = [column == value for column, value in wanted.items() if value is not None]
    return select(clock, state_now.label("state_now")).where(_visible(principal), *filters)


def _visible(principal: Principal) -> ColumnElement[bool]:
    return principal.within(clock.c.department)


async def active_policies(tx: AsyncConnection) -> Row[Any] | None:
    """Return the row of the policies in force, None before the first start."""
    newest = select(policies).order_by(policies.c.revision.desc()).limit(1)
    row: Row[Any] | None = (await tx.execute(newest)).one_or_none()
    return row


async def active_calendar(tx: AsyncConnection, name: str) -> Row[Any] | None:
    """Return the row of a calendar in force, or None when there is none of that name."""
    newest = select(calendar).where(calendar.c.name == name).order_by(calendar.c.revision.desc()).limit(1)
    row: Row[Any] | None = (await tx.execute(newest)).one_or_none()
    return row


async def active_versions(tx: AsyncConnection, name: str) -> tuple[str | None, str | None]:
    """Return the versions of the policies and of a calendar in force, without their long documents."""
    chosen = select(policies.c.version).order_by(policies.c.revision.desc()).limit(1)
    days = select(calendar.c.version).where(calendar.c.name == name).order_by(calendar.c.revision.desc())
    row = (await tx.execute(select(chosen.scalar_subquery(), days.limit(1).scalar_subquery()))).one()
    return row[0], row[1]


def select_calendars() -> Select[Any]:
    """Return the select of the calendars in force."""
    newest = select(calendar.c.name, func.max(calendar.c.revision).label("revision")).group_by(
        calendar.c.name
    )
    latest = newest.subquery("latest")
    same = and_(latest.c.name == calendar.c.name, latest.c.revision == calendar.c.revision)
    return select(calendar).join(latest, same)


async def documents(tx: AsyncConnection, table: Table, versions: Iterable[str]) -> dict[str, Any]:
    """Return the documents of these versions of `policies` or `calendar`."""
    wanted = select(table.c.version, table.c.document).where(table.c.version.in_(sorted(versions)))
    return {row.version: row.document for row in await tx.execute(wanted)}


async def sweep_seen_at(tx: AsyncConnection) -> datetime | None:
    """Return the latest time that the sweep has seen, None before its first run."""
    seen_at: datetime | None = (await tx.execute(select(sweep_mark.c.seen_at))).scalar_one_or_none()
    return seen_at
