"""The schema of sla comes up from empty and equals the tables the code works with."""

import json

from sqlalchemy import text

from huiyin_chassis.db import Database
from huiyin_chassis.migrate import assert_schema_matches, upgrade
from huiyin_sla.app import SERVICE
from tests.sla.driver import SlaDriver


async def test_an_empty_database_gets_the_schema_of_the_tables(database_url: str) -> None:
    database = Database(database_url)
    try:
        await upgrade(database, SERVICE)

        await assert_schema_matches(database, SERVICE)
    finally:
        await database.close()


async def test_the_sweep_finds_its_cases_by_an_index(sla: SlaDriver) -> None:
    asked = "SELECT * FROM sla_case WHERE next_check_at < '2026-11-23' ORDER BY next_check_at LIMIT 500"
    sqlite = sla.database.dialect_name == "sqlite"
    async with sla.database.writing() as tx:
        if not sqlite:
            await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await tx.execute(text(f"EXPLAIN QUERY PLAN {asked}" if sqlite else f"EXPLAIN {asked}"))

        assert "ix_sla_case_next_check_at" in json.dumps([str(row) for row in plan])
