"""The router under test."""

from collections.abc import AsyncIterator

import pytest

from huiyin_router.app import SERVICE
from tests.support.service import ServiceDriver, running_service


@pytest.fixture
async def router(database_url: str) -> AsyncIterator[ServiceDriver]:
    """Give the router on an empty database, with the shipped rules."""
    async with running_service(SERVICE, database_url) as driver:
        yield driver
