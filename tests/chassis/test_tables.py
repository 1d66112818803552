"""The libraries' tables as migrations make them are those that the code works on, and do not move with it."""

from collections.abc import AsyncIterator, Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, MetaData, inspect, text

from huiyin_chassis import tables as chassis_tables
from huiyin_chassis import tables_v1 as chassis_v1
from huiyin_chassis.db import Database
from huiyin_eventbus import tables as eventbus_tables
from huiyin_eventbus import tables_v1 as eventbus_v1

BOTH = MetaData()
eventbus_tables.add_tables(BOTH)
chassis_tables.add_tables(BOTH)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give an empty database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


def migrate(connection: Connection) -> None:
    with Operations.context(MigrationContext.configure(connection)):
        eventbus_v1.create_tables()
        chassis_v1.create_tables()


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, BOTH))


def sqlite_schema(connection: Connection) -> list[str]:
    found = connection.execute(text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"))
    return [" ".join(statement.split()) for (statement,) in found]


async def made(database: Database, make: Callable[[Connection], None]) -> None:
    async with database.writing() as tx:
        await tx.run_sync(make)


async def test_what_migrations_make_is_what_the_code_works_on(database: Database) -> None:
    await made(database, migrate)

    async with database.reading() as tx:
        assert await tx.run_sync(differences) == []


async def test_on_sqlite_they_agree_in_what_a_comparison_of_columns_does_not_see(tmp_path: object) -> None:
    migrated, created = (Database(f"sqlite:///{tmp_path}/{name}.db") for name in ("migrated", "created"))
    await made(migrated, migrate)
    await made(created, BOTH.create_all)

    async with migrated.reading() as one, created.reading() as other:
        schema = await one.run_sync(sqlite_schema)
        assert schema == await other.run_sync(sqlite_schema)

    await migrated.close()
    await created.close()
    assert sum("AUTOINCREMENT" in statement for statement in schema) == 3
    assert sum("WITHOUT ROWID" in statement for statement in schema) == 2


async def test_the_first_migration_does_not_move_with_the_code(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventbus_tables, "METADATA", MetaData())
    monkeypatch.setattr(chassis_tables, "METADATA", MetaData())

    await made(database, migrate)

    async with database.reading() as tx:
        assert set(await tx.run_sync(lambda found: inspect(found).get_table_names())) == set(BOTH.tables)
