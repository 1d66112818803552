"""Routing rules as the operator keeps them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import uuid_utils
from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.etag import Precondition
from huiyin_eventbus.rows import insert_into
from huiyin_router import queries
from huiyin_router.domain.rules import SHIPPED_RULES, Rule
from huiyin_router.errors import DepartmentUnknown, RuleExists, RuleNotFound
from huiyin_router.models import routing_rule
from huiyin_router.schemas import RuleIn, RulePatch, WhenBody

_STEP = 10


async def seed_rules(tx: AsyncConnection, *, now: datetime) -> None:
    """Make the shipped rules where there is no rule at all; who wants none of them switches them off."""
    if (await tx.execute(select(routing_rule.c.id).limit(1))).first() is not None:
        return
    rows = [_shipped_row(rule, position, now=now) for position, rule in enumerate(SHIPPED_RULES, start=1)]
    # Two processes may start at once.
    put = insert_into(tx.dialect.name, routing_rule).on_conflict_do_nothing(index_elements=["name"])
    await tx.execute(put, rows)


async def add_rule(tx: AsyncConnection, post: RuleIn, *, now: datetime) -> Row[Any]:
    """Make a rule, last in order unless it names its position; raises RuleExists or DepartmentUnknown."""
    await check_department(tx, post.department)
    last = (await tx.execute(select(func.max(routing_rule.c.position)))).scalar_one()
    values = {
        **_columns(post.model_dump(mode="json")),
        "position": post.position if post.position is not None else (last or 0) + _STEP,
        "id": str(uuid_utils.uuid7()),
        "revision": 1,
        "changed_at": now,
    }
    # Two may ask for one name at once.
    put = insert_into(tx.dialect.name, routing_rule).on_conflict_do_nothing(index_elements=["name"])
    row: Row[Any] | None = (await tx.execute(put.values(values).returning(routing_rule))).one_or_none()
    if row is None:
        raise RuleExists(post.name)
    return row


async def change_rule(
    tx: AsyncConnection, rule_id: str, patch: RulePatch, *, if_match: Precondition, now: datetime
) -> Row[Any]:
    """Change a rule and return its row; a change to the same changes nothing.

    Raises RuleNotFound, RuleExists, DepartmentUnknown, or a 412 Refusal when it has moved on.
    """
    row = await _lock(tx, rule_id)
    if_match.check(row.revision)
    changes = _columns(patch.model_dump(mode="json", exclude_unset=True))
    real = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if not real:
        return row
    if "name" in real:
        await _check_name(tx, real["name"])
    await check_department(tx, real.get("department"))
    stamped = {**real, "revision": row.revision + 1, "changed_at": now}
    statement = update(routing_rule).where(routing_rule.c.id == rule_id).values(stamped)
    changed: Row[Any] = (await tx.execute(statement.returning(routing_rule))).one()
    return changed


async def remove_rule(tx: AsyncConnection, rule_id: str, *, if_match: Precondition) -> None:
    """Remove a rule; what it has decided stays. Raises RuleNotFound, or a 412 Refusal when it has moved on."""
    row = await _lock(tx, rule_id)
    if_match.check(row.revision)
    await tx.execute(delete(routing_rule).where(routing_rule.c.id == rule_id))


async def check_department(tx: AsyncConnection, slug: str | None) -> None:
    """Raise DepartmentUnknown when a department is named that is no active unit."""
    if slug is None:
        return
    found = (await queries.units(tx)).get(slug)
    if found is None or not found.active:
        raise DepartmentUnknown(slug)


async def _lock(tx: AsyncConnection, rule_id: str) -> Row[Any]:
    wanted = select(routing_rule).where(routing_rule.c.id == rule_id).with_for_update()
    row: Row[Any] | None = (await tx.execute(wanted)).one_or_none()
    if row is None:
        raise RuleNotFound(rule_id)
    return row


async def _check_name(tx: AsyncConnection, name: str) -> None:
    if (await tx.execute(select(routing_rule.c.id).where(routing_rule.c.name == name))).first() is not None:
        raise RuleExists(name)


def _columns(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of what a body says: a department means a ticket, another outcome means none."""
    columns = {name: value for name, value in said.items() if name not in {"department", "outcome"}}
    if "when" in columns:
        columns["when"] = _compact(columns["when"])
    if said.get("department") is not None:
        columns |= {"department": said["department"], "outcome": "ticket"}
    elif said.get("outcome") is not None:
        columns |= {"department": None, "outcome": said["outcome"]}
    return columns


def _compact(when: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in when.items() if value not in (None, [], ())}


def _shipped_row(rule: Rule, position: int, *, now: datetime) -> dict[str, Any]:
    when = WhenBody.model_validate(rule.when, from_attributes=True).model_dump(mode="json")
    return {
        "id": str(uuid_utils.uuid7()),
        "name": rule.name,
        "position": position * _STEP,
        "active": True,
        "when": _compact(when),
        "outcome": rule.outcome,
        "department": rule.department,
        "complex": rule.complex,
        "priority": rule.priority,
        "revision": 1,
        "changed_at": now,
    }
