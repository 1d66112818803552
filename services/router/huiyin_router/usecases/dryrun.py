"""What other rules would have done with what was classified last; changes nothing."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.feedback import FeedbackReceived
from huiyin_router import queries
from huiyin_router.domain.rules import Rule, end_of, first_match
from huiyin_router.schemas import Difference, DryRun, DryRunIn, End
from huiyin_router.usecases.classify import closed_among, facts_of

_SHOWN: Final = 200


async def try_rules(tx: AsyncConnection, body: DryRunIn) -> DryRun:
    """Return which of the newest feedback would end elsewhere under these rules, or under those in force.

    Looks at what rules have decided and nobody has changed; given rules hold in the order given, unless they name
    their positions. Inactive ones are left out.
    """
    rules = await queries.active_rules(tx) if body.rules is None else _given(body)
    closed_units = closed_among(await queries.units(tx))
    rows = await queries.newest_by_rules(tx, limit=body.limit)
    found = [each for row in rows if (each := _difference(row, rules, closed_units)) is not None]
    return DryRun(examined=len(rows), changed=len(found), differences=found[:_SHOWN])


def _given(body: DryRunIn) -> list[Rule]:
    placed = sorted(
        enumerate(body.rules or (), start=1),
        key=lambda pair: (pair[0] if pair[1].position is None else pair[1].position, pair[0]),
    )
    return [given.rule() for _, given in placed if given.active]


def _difference(row: Row[Any], rules: Sequence[Rule], closed_units: Collection[str]) -> Difference | None:
    facts = facts_of(queries.columns_of(row), FeedbackReceived.model_validate_json(row.content))
    rule = first_match(rules, facts)
    outcome, department = end_of(rule, closed_units=closed_units)
    if (outcome, department) == (row.outcome, row.department):
        return None
    return Difference(
        feedback_id=row.feedback_id,
        now=End(outcome=row.outcome, department=row.department),
        then=End.model_validate({"outcome": outcome, "department": department}),
        rule=rule.name if rule else None,
    )
