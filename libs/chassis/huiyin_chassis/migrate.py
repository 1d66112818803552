"""Schemas: one Alembic chain per service, run without an `alembic.ini`.

Each service ships only `huiyin_<name>/migrations/versions/*.py`; what an `env.py` would do is here, the same for all.
A migration runs in one transaction on both databases, and two processes that migrate at once wait for each other.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.db import Database, sqlite_engine
from huiyin_chassis.errors import DatabaseIsNewer, MigrationsPending
from huiyin_chassis.revisions import versions_folder
from huiyin_chassis.service import Service
from huiyin_failpoints import reach

_TEMPLATE: Final = Path(__file__).parent / "migrations"
_LOCK_NUMBER: Final = 0x48_55_49_59  # any constant that every Huiyin process shares


async def upgrade(database: Database, service: Service) -> list[str]:
    """Bring a service's schema to the newest revision and return the revisions that were applied, oldest first.

    Commits. Raises DatabaseIsNewer when the schema comes from a later version.
    """
    async with _migrating(database) as connection:
        applied = await connection.run_sync(_upgrade, service)
        reach("migrate.mid_upgrade")
        return applied


async def pending(database: Database, service: Service) -> list[str]:
    """Return the revisions that the database lacks, oldest first; empty when it is up to date.

    Raises DatabaseIsNewer when the schema comes from a later version.
    """
    async with database.reading() as connection:
        return await connection.run_sync(_pending, service)


async def check_current(database: Database, service: Service) -> None:
    """Return when the schema is the one this code needs; raises MigrationsPending or DatabaseIsNewer."""
    if await pending(database, service):
        raise MigrationsPending(service.name)


async def assert_schema_matches(database: Database, service: Service) -> None:
    """Raise AssertionError when the migrated schema differs from the service's `MetaData`. For tests."""
    async with database.reading() as connection:
        differences = await connection.run_sync(_differences, service)
    if differences:
        raise AssertionError("\n".join(map(str, differences)))


def script_directory(service: Service) -> ScriptDirectory:
    """Return Alembic's view of a service's chain."""
    return ScriptDirectory(
        str(_TEMPLATE), version_locations=[str(versions_folder(service))], messaging_opts={"quiet": True}
    )


@asynccontextmanager
async def _migrating(database: Database) -> AsyncIterator[AsyncConnection]:
    """Give a connection in a transaction that no other migrating process shares."""
    if database.dialect_name == "postgresql":
        async with database.writing() as connection:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})"))
            yield connection
        return
    # Batch mode rebuilds tables; with foreign keys on, dropping the old one would delete the rows that refer to it.
    engine = sqlite_engine(str(database.url), foreign_keys="OFF")
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, service: Service) -> list[str]:
    scripts = script_directory(service)
    applied: list[str] = []

    def steps(revision: Any, _context: MigrationContext) -> Any:
        plan = scripts._upgrade_revs("heads", revision)  # noqa: SLF001 - what alembic's own env.py functions call
        applied.extend(step.revision.revision for step in plan)
        return plan

    _current(connection, service, scripts=scripts)
    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(
            connection=connection,
            target_metadata=service.metadata,
            render_as_batch=True,
            # The transaction around us is the only one: see db.sqlite_engine for why SQLite's DDL is safe in it.
            transactional_ddl=True,
        )
        environment.run_migrations()
    return applied


def _current(connection: Connection, service: Service, *, scripts: ScriptDirectory) -> tuple[str, ...]:
    heads = MigrationContext.configure(connection).get_current_heads()
    for revision in heads:
        try:
            scripts.get_revision(revision)
        except CommandError:
            raise DatabaseIsNewer(service.name, revision) from None
    return heads


def _pending(connection: Connection, service: Service) -> list[str]:
    scripts = script_directory(service)
    done = _current(connection, service, scripts=scripts)
    missing = scripts.iterate_revisions("heads", done or "base")
    return [script.revision for script in missing if script.revision not in done][::-1]


def _differences(connection: Connection, service: Service) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, service.metadata))
