"""An example service on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from huiyin_chassis.db import Database
from huiyin_chassis.migrate import upgrade
from tests.chassis.example.app import SERVICE


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give the example service's migrated database."""
    opened = Database(database_url)
    await upgrade(opened, SERVICE)
    yield opened
    await opened.close()
