"""What the chassis does by the clock for every service, without a word in the service's own wiring."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from huiyin_chassis.clock import utc_now
from huiyin_chassis.idempotency import KEPT, Claim, find_answers, remember
from huiyin_chassis.service import installed_services, load_service
from tests.support.service import ServiceDriver, running_service

CLAIM = Claim("somebody", "long ago", "fingerprint")


async def remembers(driver: ServiceDriver) -> bool:
    """Tell whether the old answer is still there."""
    async with driver.database.reading() as tx:
        return CLAIM in await find_answers(tx, [CLAIM])


@pytest.mark.parametrize("name", installed_services())
async def test_every_service_forgets_old_answers_to_repeated_requests(name: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    async with running_service(load_service(name), url, started=False) as driver:
        async with driver.database.writing() as tx:
            await remember(tx, {CLAIM: (201, b"{}")}, now=utc_now() - KEPT - timedelta(seconds=1))

        driver.runtime.jobs.start()

        async with asyncio.timeout(10):
            while await remembers(driver):
                await asyncio.sleep(0.01)
        assert not await remembers(driver)
