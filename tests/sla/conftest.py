"""sla under test."""

from collections.abc import AsyncIterator

import pytest

from huiyin_sla.app import SERVICE
from huiyin_sla.settings import SlaSettings
from tests.sla.driver import SlaDriver
from tests.support.service import running_service


@pytest.fixture
async def sla(database_url: str) -> AsyncIterator[SlaDriver]:
    """Give sla on an empty database, with the shipped terms."""
    async with running_service(SERVICE, database_url, settings=SlaSettings(_env_file=None)) as service:
        yield SlaDriver(service)
