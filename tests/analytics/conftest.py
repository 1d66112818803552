"""Analytics as a service under test, on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from huiyin_analytics.app import SERVICE
from tests.support.service import ServiceDriver, running_service


@pytest.fixture
async def analytics(database_url: str) -> AsyncIterator[ServiceDriver]:
    async with running_service(SERVICE, database_url) as driver:
        yield driver
