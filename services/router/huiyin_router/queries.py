"""What can be read of the router. A caller bound to departments sees what was routed to them and nothing else."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from hashlib import blake2b
from typing import Any, Final

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Row, Select, Text, and_, cast, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import Principal
from huiyin_contracts.vocabulary import Outcome
from huiyin_eventbus.rows import bind_rows, rows_of
from huiyin_router.domain.cases import EARLIER_COMPARED, Earlier, Said
from huiyin_router.domain.rules import Rule, When
from huiyin_router.models import classification, correction, routed_case, routing_rule, unit

Author = tuple[str, str, str]
"""Channel, our account there, and the author's id: what makes an author the same one."""

_ID: Final[Mapping[str, type]] = {"id": str}
_LOCK: Final[Mapping[str, type]] = {"number": int}
_AUTHOR: Final[Mapping[str, type]] = {"channel": str, "account": str, "author_id": str}


async def known_ids(tx: AsyncConnection, feedback_ids: Iterable[str]) -> set[str]:
    """Return those of the ids that have a classification."""
    dialect = tx.dialect.name
    found = await tx.execute(_known(dialect), bind_rows(dialect, _ID, [(each,) for each in feedback_ids]))
    return set(found.scalars())


async def lock_authors(tx: AsyncConnection, authors: Iterable[Author]) -> None:
    """Let no other process decide about these authors before this transaction ends.

    Two processes would each open a ticket for what one author says twice: neither sees what the other has not
    committed. Locked in one order, so that nobody waits in a circle. SQLite has one writer anyway.
    """
    dialect = tx.dialect.name
    if dialect == "postgresql":
        numbers = sorted({(_lock_number(author),) for author in authors})
        await tx.execute(_lock(dialect), bind_rows(dialect, _LOCK, numbers))


def _lock_number(author: Author) -> int:
    named = "\x00".join(author).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(named, digest_size=8).digest(), "big", signed=True)


async def earlier_of_authors(tx: AsyncConnection, authors: Iterable[Author]) -> dict[Author, list[Earlier]]:
    """Return what these authors said before and has a ticket: the newest of each, oldest first, in one statement."""
    dialect = tx.dialect.name
    found: dict[Author, list[Earlier]] = defaultdict(list)
    bound = bind_rows(dialect, _AUTHOR, sorted(authors))
    for row in (await tx.execute(_newest_of_each(dialect), bound)).all():
        earlier = Earlier(
            # Its text alone is wanted, and it was checked when it came in.
            said=Said(text=from_json(row.content)["text"], kind=row.kind, occurred_at=row.occurred_at),
            ticket_id=row.ticket_id,
            department=row.department,
            is_open=row.is_open,
        )
        found[row.channel, row.account, row.author_id].append(earlier)
    return found


@cache
def _lock(dialect: str) -> Select[Any]:
    return select(func.pg_advisory_xact_lock(rows_of(dialect, _LOCK).c.number))


@cache
def _known(dialect: str) -> Select[Any]:
    # Not a join: SQLite would sooner or later walk the whole table and look each row up among those given.
    asked = classification.c.feedback_id.in_(select(rows_of(dialect, _ID).c.id))
    return select(classification.c.feedback_id).where(asked)


@cache
def _newest_of_each(dialect: str) -> Select[Any]:
    given = rows_of(dialect, _AUTHOR)
    mine = classification.alias("mine")
    same_author = and_(*(mine.c[name] == given.c[name] for name in _AUTHOR))
    newest = (
        select(mine.c.feedback_id)
        .where(same_author, mine.c.ticket_id.is_not(None))
        .order_by(mine.c.occurred_at.desc())
        .limit(EARLIER_COMPARED)
        .correlate(given)
    )
    # The same meaning twice: SQLite knows no LATERAL, and PostgreSQL would scan the whole table for the IN.
    if dialect == "sqlite":
        source = given.join(classification, classification.c.feedback_id.in_(newest))
    else:
        picked = newest.lateral("newest")
        source = given.join(picked, true()).join(
            classification, classification.c.feedback_id == picked.c.feedback_id
        )
    row = classification.c
    wanted = (*(row[name] for name in _AUTHOR), row.kind, row.occurred_at, row.content, row.ticket_id)
    source = source.join(routed_case, routed_case.c.ticket_id == row.ticket_id)
    statement = select(*wanted, routed_case.c.department, routed_case.c.is_open).select_from(source)
    return statement.order_by(row.occurred_at)


async def active_rules(tx: AsyncConnection) -> list[Rule]:
    """Return the rules that are in force, in their order."""
    return [_rule(*row) for row in await tx.execute(_active_rules())]


@cache
def _active_rules() -> Select[Any]:
    row = routing_rule.c
    wanted = select(row.name, cast(row.when, Text), row.outcome, row.department, row.complex, row.priority)
    return wanted.where(row.active).order_by(row.position, row.id)


# Read anew with every batch, and hardly ever another one: making it costs more than reading it.
@lru_cache(maxsize=1024)
def _rule(  # noqa: PLR0917  # a row's columns
    name: str,
    when: str,
    outcome: str,
    department: str | None,
    is_complex: bool,  # noqa: FBT001  # a column too
    priority: int | None,
) -> Rule:
    return Rule(
        name=name,
        when=When.from_json(from_json(when)),
        outcome=Outcome(outcome),
        department=department,
        complex=is_complex,
        priority=priority,
    )


async def units(tx: AsyncConnection) -> dict[str, Row[Any]]:
    """Return the units heard of, by slug."""
    return {row.slug: row for row in await tx.execute(_units())}


@cache
def _units() -> Select[Any]:
    return select(unit)


async def find_rule(tx: AsyncConnection, rule_id: str) -> Row[Any] | None:
    """Return a rule's row, or None."""
    found: Row[Any] | None = (
        await tx.execute(select(routing_rule).where(routing_rule.c.id == rule_id))
    ).one_or_none()
    return found


def columns_of(row: Row[Any]) -> dict[str, Any]:
    """Return a row's values by the names of their columns."""
    return {str(name): value for name, value in row._mapping.items()}


def visible(principal: Principal) -> ColumnElement[bool]:
    """Return the condition that a classification may be seen by a caller."""
    return principal.within(classification.c.department)


def select_classifications(principal: Principal, *, outcome: str | None = None) -> Select[Any]:
    """Return the select of the classifications a caller may see."""
    statement = select(classification).where(visible(principal))
    return statement if outcome is None else statement.where(classification.c.outcome == outcome)


async def find_classification(
    tx: AsyncConnection, feedback_id: str, *, principal: Principal
) -> Row[Any] | None:
    """Return a classification's row, or None when there is none that the caller may see."""
    wanted = select(classification).where(classification.c.feedback_id == feedback_id, visible(principal))
    row: Row[Any] | None = (await tx.execute(wanted)).one_or_none()
    return row


def select_corrections(feedback_id: str) -> Select[Any]:
    """Return the select of a classification's changes; who may see the classification may see them."""
    return select(correction).where(correction.c.feedback_id == feedback_id)


async def lock_classification(
    tx: AsyncConnection, feedback_id: str, *, principal: Principal
) -> Row[Any] | None:
    """Return a classification's row, locked until the commit, or None when there is none the caller may see."""
    wanted = select(classification).where(classification.c.feedback_id == feedback_id, visible(principal))
    row: Row[Any] | None = (await tx.execute(wanted.with_for_update())).one_or_none()
    return row


async def lock_cases(tx: AsyncConnection, ticket_ids: Iterable[str]) -> dict[str, Row[Any]]:
    """Return the routed tickets among these, by id, locked until the commit."""
    wanted = select(routed_case).where(routed_case.c.ticket_id.in_(sorted(ticket_ids)))
    found = await tx.execute(wanted.order_by(routed_case.c.ticket_id).with_for_update())
    return {row.ticket_id: row for row in found}


async def first_feedback(tx: AsyncConnection, ticket_ids: Iterable[str]) -> dict[str, Row[Any]]:
    """Return the classification of each ticket's first feedback, whose id is the ticket's."""
    wanted = select(classification).where(classification.c.feedback_id.in_(sorted(ticket_ids)))
    return {row.feedback_id: row for row in await tx.execute(wanted.with_for_update())}


async def attached_to(tx: AsyncConnection, ticket_id: str) -> Sequence[Row[Any]]:
    """Return the classifications of what was attached to a ticket."""
    wanted = select(classification).where(
        classification.c.ticket_id == ticket_id, classification.c.outcome == Outcome.ATTACHED
    )
    return (await tx.execute(wanted.order_by(classification.c.feedback_id))).all()


async def newest_by_rules(tx: AsyncConnection, *, limit: int) -> Sequence[Row[Any]]:
    """Return the newest classifications that rules have decided and nobody has changed since."""
    wanted = select(classification).where(
        classification.c.outcome != Outcome.ATTACHED, classification.c.revision == 1
    )
    newest = wanted.order_by(classification.c.received_at.desc(), classification.c.feedback_id.desc())
    return (await tx.execute(newest.limit(limit))).all()


async def all_outcomes(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give (feedback_id, outcome, ticket_id, department) of every classification, for `huiyin verify`."""
    row = classification.c
    wanted = select(row.feedback_id, row.outcome, row.ticket_id, row.department).order_by(row.feedback_id)
    async for found in await tx.stream(wanted):
        yield tuple(found)


async def all_tickets(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give (ticket_id, department, routing) of every routed ticket, for `huiyin verify`."""
    row = routed_case.c
    async for found in await tx.stream(
        select(row.ticket_id, row.department, row.routing).order_by(row.ticket_id)
    ):
        yield tuple(found)
