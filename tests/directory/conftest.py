"""The directory under test."""

from collections.abc import AsyncIterator

import pytest

from huiyin_directory.app import SERVICE
from tests.support.service import ServiceDriver, running_service


@pytest.fixture
async def directory(database_url: str) -> AsyncIterator[ServiceDriver]:
    """Give the directory with its shipped departments."""
    async with running_service(SERVICE, database_url) as driver:
        yield driver
