"""Intake under test."""

from collections.abc import AsyncIterator

import pytest

from huiyin_intake.app import SERVICE
from tests.support.service import ServiceDriver, running_service


@pytest.fixture
async def intake(database_url: str) -> AsyncIterator[ServiceDriver]:
    """Give intake on an empty database."""
    async with running_service(SERVICE, database_url) as driver:
        yield driver
