import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from huiyin_broker import Broker, BrokerSettings
from huiyin_broker.log import Log
from tests.broker.wire import WireClient

StartBroker = Callable[..., Awaitable[Broker]]
OpenLog = Callable[..., Log]


@pytest.fixture(autouse=True)
def _quiet_log() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))


@pytest.fixture
def settings(tmp_path: Path) -> BrokerSettings:
    return BrokerSettings(path=tmp_path / "broker.db", port=0, partitions=3, min_free_bytes=0)


@pytest.fixture
async def start_broker(settings: BrokerSettings) -> AsyncIterator[StartBroker]:
    """Start brokers on the same log, one after the other, with settings changed as named."""
    started: list[Broker] = []

    async def start(**changes: object) -> Broker:
        broker = Broker(replace(settings, **changes))  # type: ignore[arg-type]
        await broker.start()
        started.append(broker)
        return broker

    yield start
    for broker in started:
        await broker.stop()


@pytest.fixture
async def broker(start_broker: StartBroker) -> Broker:
    return await start_broker()


@pytest.fixture
async def open_log(settings: BrokerSettings) -> AsyncIterator[OpenLog]:
    """Open the log without a network, again after a `close` if a test likes."""
    opened: list[Log] = []

    def open_it(**changes: object) -> Log:
        opened.append(Log(replace(settings, **changes)))  # type: ignore[arg-type]
        return opened[-1]

    yield open_it
    for log in opened:
        await log.close()


@pytest.fixture
async def wire(broker: Broker) -> AsyncIterator[WireClient]:
    async with WireClient(broker) as client:
        yield client


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of six megabytes; skip where mounting is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
