"""Schemas come up from empty, once, on both databases."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from huiyin_chassis.db import Database
from huiyin_chassis.errors import DatabaseIsNewer, MigrationsPending
from huiyin_chassis.migrate import assert_schema_matches, check_current, pending, upgrade
from tests.chassis.example.app import SERVICE, count_notes, write_note


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


async def test_an_empty_database_gets_every_revision_and_equals_the_metadata(database: Database) -> None:
    assert await pending(database, SERVICE) == ["0001", "0002", "0003"]

    applied = await upgrade(database, SERVICE)

    assert applied == ["0001", "0002", "0003"]
    await check_current(database, SERVICE)
    await assert_schema_matches(database, SERVICE)


async def test_a_second_upgrade_changes_nothing(database: Database) -> None:
    await upgrade(database, SERVICE)
    async with database.writing() as tx:
        await write_note(tx, "kept")

    assert await upgrade(database, SERVICE) == []

    async with database.reading() as tx:
        assert await count_notes(tx) == 1


async def test_a_database_behind_the_code_is_told_apart(database: Database) -> None:
    with pytest.raises(MigrationsPending, match="huiyin migrate"):
        await check_current(database, SERVICE)


async def test_a_database_from_a_newer_version_is_refused_and_left_alone(database: Database) -> None:
    await upgrade(database, SERVICE)
    async with database.writing() as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = '0099'"))

    with pytest.raises(DatabaseIsNewer, match="example is from a newer version"):
        await upgrade(database, SERVICE)

    with pytest.raises(DatabaseIsNewer):
        await pending(database, SERVICE)


async def test_a_schema_that_drifted_from_the_metadata_is_noticed(database: Database) -> None:
    await upgrade(database, SERVICE)
    async with database.writing() as tx:
        await tx.execute(text("ALTER TABLE notes ADD COLUMN stray INTEGER"))

    with pytest.raises(AssertionError, match="stray"):
        await assert_schema_matches(database, SERVICE)
