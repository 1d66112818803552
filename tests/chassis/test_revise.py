"""A developer's draft of the next migration."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table, Text

from huiyin_chassis.db import Database, Json, UtcDateTime
from huiyin_chassis.migrate import assert_schema_matches, upgrade
from huiyin_chassis.revise import write_revision
from huiyin_chassis.service import Service
from tests.chassis.example.app import SERVICE


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """Give the example service with a chain of its own and one table more than its chain makes."""
    chain = tmp_path / "migrations"
    assert SERVICE.migrations is not None
    shutil.copytree(SERVICE.migrations, chain)
    metadata = MetaData()
    for table in SERVICE.metadata.sorted_tables:
        table.to_metadata(metadata)
    Table(
        "colours",
        metadata,
        Column("name", Text, primary_key=True),
        Column("mixed", Json, nullable=False),
        Column("seen_at", UtcDateTime),
    )
    return replace(SERVICE, metadata=metadata, migrations=chain)


async def test_the_draft_makes_the_schema_what_the_metadata_says(service: Service, tmp_path: Path) -> None:
    path = await write_revision(service, "add colours")

    database = Database(f"sqlite:///{tmp_path}/new.db")
    applied = await upgrade(database, service)
    await assert_schema_matches(database, service)
    await database.close()
    assert path.name == "0004_add_colours.py"
    assert applied[-1] == "0004"
    assert "UtcDateTime" in path.read_text()


async def test_without_a_difference_nothing_is_written() -> None:
    with pytest.raises(ValueError, match="agree"):
        await write_revision(SERVICE, "nothing")
