"""What makes a service unready when the broker is away: nothing for one that takes work from outside."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from huiyin_chassis.migrate import upgrade
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Service
from huiyin_chassis.settings import Settings
from huiyin_eventbus.kafka import KafkaSettings
from tests.chassis.example.app import SERVICE
from tests.support.servers import free_ports


@pytest.fixture(params=[False, True], ids=["from events", "from outside"])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Runtime]:
    service: Service = replace(SERVICE, admits=request.param, on_start=None)
    running = Runtime(service, Settings(data_dir=tmp_path, _env_file=None))
    await upgrade(running.database, service)
    (nobody,) = free_ports(1)
    await running.start(KafkaSettings(bootstrap=f"127.0.0.1:{nobody}"))
    yield running
    await running.stop()


async def test_only_who_takes_work_from_outside_is_ready_without_a_broker(runtime: Runtime) -> None:
    failing = await runtime.health.failing()

    assert ("consumer" in failing) is not runtime.service.admits
    assert "database" not in failing
