"""What can be read of analytics: projections, ledgers, and the sums behind figures."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_analytics.domain.cells import CELL_COLUMNS, Cell, Tally
from huiyin_analytics.domain.contributions import contribution_of
from huiyin_analytics.domain.ledger import Ledger
from huiyin_analytics.domain.metrics import Figure
from huiyin_analytics.domain.questions import Question, Read, behind
from huiyin_analytics.errors import ProjectionMissing
from huiyin_analytics.models import case_day, case_ledger, projection, rollup, unit
from huiyin_chassis.auth import Principal
from huiyin_chassis.pages import PageAsked, encode_cursor, paginate
from huiyin_eventbus.rows import bind_rows, rows_of

LIVE: Final = "live"
BUILDING: Final = "building"
RETIRED: Final = "retired"
MOST_SUMS: Final = 50_000
"""How many sums one question may read; more is too fine a question."""
MOST_READ: Final = 2_000
"""How many cases one page of the cases behind a figure may look at."""
_ID: Final[Mapping[str, type]] = {"id": str}
_CELL: Final = tuple(rollup.c[name] for name in CELL_COLUMNS)


@dataclass(frozen=True, slots=True)
class Projection:
    """One version of ledgers and rollup, and the zone of its days."""

    id: int
    zone: str
    state: str

    @property
    def is_live(self) -> bool:
        """Tell whether figures are read from it."""
        return self.state == LIVE


@dataclass(frozen=True, slots=True)
class Behind:
    """What one case adds to a figure on one day."""

    id: str
    day: str
    figure: Figure


async def lock_projections(tx: AsyncConnection) -> list[Projection]:
    """Return the live projection and those being built, locked until the commit: folding is done by one at a time.

    The lock keeps two processes from reading the same ledger and writing it one over the other.
    """
    wanted = (
        select(projection.c.id, projection.c.zone, projection.c.state)
        .where(projection.c.state != RETIRED)
        .order_by(projection.c.id)
        .with_for_update()
    )
    return [Projection(*row) for row in await tx.execute(wanted)]


async def find_live_projection(tx: AsyncConnection) -> Projection | None:
    """Return the projection that figures are read from, None before the service was first started."""
    wanted = select(projection.c.id, projection.c.zone, projection.c.state).where(projection.c.state == LIVE)
    row = (await tx.execute(wanted)).first()
    return Projection(*row) if row else None


async def live_projection(tx: AsyncConnection) -> Projection:
    """Return the projection that figures are read from. Raises ProjectionMissing."""
    found = await find_live_projection(tx)
    if found is None:
        raise ProjectionMissing
    return found


async def find_ledgers(tx: AsyncConnection, projection_id: int, case_ids: Iterable[str]) -> dict[str, Ledger]:
    """Return the ledgers of those cases that are known, in one statement."""
    dialect = tx.dialect.name
    values = {"projection": projection_id, **bind_rows(dialect, _ID, [(case_id,) for case_id in case_ids])}
    found = await tx.execute(_ledgers(dialect), values)
    return dict(tuple(row) for row in found)


async def all_ledgers(tx: AsyncConnection, projection_id: int) -> AsyncIterator[tuple[str, Ledger]]:
    """Give every case and its ledger, by id."""
    wanted = select(case_ledger.c.id, case_ledger.c.facts).where(case_ledger.c.projection == projection_id)
    async for case_id, ledger in await tx.stream(wanted.order_by(case_ledger.c.id)):
        yield case_id, ledger


async def ledgers_after(
    tx: AsyncConnection, projection_id: int, case_id: str, *, limit: int
) -> list[tuple[str, Ledger]]:
    """Return up to `limit` cases and their ledgers whose ids follow the one given."""
    row = case_ledger.c
    wanted = select(row.id, row.facts).where(row.projection == projection_id, row.id > case_id)
    found = await tx.execute(wanted.order_by(row.id).limit(limit))
    return [(found_id, ledger) for found_id, ledger in found]


async def read_sums(
    tx: AsyncConnection, projection_id: int, asked: Question, *, principal: Principal
) -> list[Read]:
    """Return the sums that answer a question, at most one more than MOST_SUMS."""
    found = await tx.execute(_sums(projection_id, asked, principal))
    keep_day = asked.period is not None
    keep_bucket = asked.metric.reads_buckets
    width = len(asked.grouped)
    sums = []
    for measure, variant, n, total, *others in found:
        values = tuple(others[:width])
        rest = others[width:]
        day = rest.pop(0) if keep_day else None
        bucket = rest.pop(0) if keep_bucket else 0
        sums.append(Read(day, values, measure, variant, bucket, int(n), int(total)))
    return sums


def select_days(projection_id: int, asked: Question) -> Select[Any]:
    """Return the select of (day, id, facts) of the cases that count on the days of a question."""
    same = and_(case_ledger.c.projection == case_day.c.projection, case_ledger.c.id == case_day.c.id)
    return (
        select(case_day.c.day, case_day.c.id, case_ledger.c.facts)
        .join(case_ledger, same)
        .where(
            case_day.c.projection == projection_id,
            case_day.c.day >= asked.first.isoformat(),
            case_day.c.day < asked.end.isoformat(),
        )
    )


async def cases_behind(
    tx: AsyncConnection, kept: Projection, asked: Question, *, principal: Principal, request: PageAsked
) -> tuple[list[Behind], str | None]:
    """Return a page of the cases behind a figure by day and id, and the cursor of the next page.

    Reads at most MOST_READ cases, so a page of a rare figure may be short, even empty, and still have a next one.
    """
    keys = (case_day.c.day, case_day.c.id)
    zone = ZoneInfo(kept.zone)
    found: list[Behind] = []
    asked_for = PageAsked(MOST_READ, request.cursor)
    rows = (await tx.execute(paginate(select_days(kept.id, asked), *keys, request=asked_for))).all()
    for place, row in enumerate(rows[:MOST_READ]):
        figure = behind(asked, contribution_of(row.facts, zone), day=row.day, sees=principal.sees)
        if figure.numerator or figure.denominator:
            found.append(Behind(row.id, row.day, figure))
        if len(found) == request.limit and place + 1 < len(rows):
            return found, encode_cursor(keys, (row.day, row.id))
    if len(rows) > MOST_READ:
        last = rows[MOST_READ - 1]
        return found, encode_cursor(keys, (last.day, last.id))
    return found, None


async def unit_names(tx: AsyncConnection, slugs: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the names of units by slug, as far as they are known."""
    wanted = select(unit.c.slug, unit.c.names).where(unit.c.slug.in_(sorted(slugs)))
    return {row.slug: row.names for row in await tx.execute(wanted)}


async def cells(tx: AsyncConnection, projection_id: int) -> dict[Cell, Tally]:
    """Return the whole rollup of a projection, without cells that hold nothing."""
    holds = or_(rollup.c.n != 0, rollup.c.total != 0)
    wanted = select(*_CELL, rollup.c.n, rollup.c.total).where(rollup.c.projection == projection_id, holds)
    return {Cell(*row[: len(_CELL)]): Tally(*row[len(_CELL) :]) async for row in await tx.stream(wanted)}


async def recounted_cells(tx: AsyncConnection, kept: Projection) -> dict[Cell, Tally]:
    """Return what the rollup of a projection must be, counted anew from its ledgers."""
    zone = ZoneInfo(kept.zone)
    sums: dict[Cell, list[int]] = {}
    async for _, ledger in all_ledgers(tx, kept.id):
        for cell, tally in contribution_of(ledger, zone).items():
            entry = sums.setdefault(cell, [0, 0])
            entry[0] += tally.n
            entry[1] += tally.total
    return {cell: Tally(n, total) for cell, (n, total) in sums.items() if n or total}


@cache
def _ledgers(dialect: str) -> Select[Any]:
    given = rows_of(dialect, _ID)
    # Not a join: SQLite would walk the whole projection and look each case up among those given.
    asked = case_ledger.c.id.in_(select(given.c.id))
    return select(case_ledger.c.id, case_ledger.c.facts).where(
        case_ledger.c.projection == bindparam("projection"), asked
    )


def _sums(projection_id: int, asked: Question, principal: Principal) -> Select[Any]:
    names = [_column_of(asked, name) for name in asked.grouped]
    periods = [rollup.c.day] if asked.period is not None else []
    buckets = [rollup.c.bucket] if asked.metric.reads_buckets else []
    columns = [rollup.c.measure, rollup.c.variant]
    grouped = [*names, *periods, *buckets]
    return (
        select(*columns, func.sum(rollup.c.n), func.sum(rollup.c.total), *grouped)
        .where(
            rollup.c.projection == projection_id,
            rollup.c.measure.in_(asked.metric.measures),
            rollup.c.day >= asked.first.isoformat(),
            rollup.c.day < asked.end.isoformat(),
            _visible(principal),
            *(_column_of(asked, name) == literal(value) for name, value in asked.filters.items()),
        )
        .group_by(*columns, *grouped)
        .limit(MOST_SUMS + 1)
    )


def _visible(principal: Principal) -> ColumnElement[bool]:
    return principal.within(rollup.c.department)


def _column_of(asked: Question, name: str) -> ColumnElement[Any]:
    return rollup.c.variant if name == asked.metric.variant else rollup.c[name]
