"""The migrated schema is the one the code describes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import ColumnElement, select

from huiyin_chassis.migrate import assert_schema_matches
from huiyin_desk.models import ticket
from tests.support.service import ServiceDriver

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def test_the_migrations_build_what_the_models_say(desk: ServiceDriver) -> None:
    await assert_schema_matches(desk.database, desk.service)


@pytest.mark.parametrize(
    ("condition", "value", "index"),
    [
        (ticket.c.assignee == "", "u-1", "ix_ticket_assignee"),
        (ticket.c.store == "", "shanghai-01", "ix_ticket_store"),
        (ticket.c.paused_until <= NOON, NOON, "ix_ticket_paused_until"),
    ],
)
async def test_indexes_without_empty_values_serve_those_who_ask_for_one(
    desk: ServiceDriver, condition: ColumnElement[bool], value: Any, index: str
) -> None:
    is_sqlite = desk.database.dialect_name == "sqlite"
    async with desk.database.writing() as tx:
        if not is_sqlite:
            # It would read an empty table without any index.
            await tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
        asked = select(ticket.c.id).where(condition).compile(dialect=tx.dialect)
        explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        plan = await tx.exec_driver_sql(f"{explain} {asked}", (str(value) if is_sqlite else value,))

    assert index in str(plan.all())
