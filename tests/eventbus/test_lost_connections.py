"""What is sent over a connection that was reset a moment ago fails as aiokafka expects, on the services' loop too."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

import huiyin_eventbus.kafka  # noqa: F401  # every client is made by it or with its settings
from huiyin_broker import Broker, BrokerSettings

LOOPS = [pytest.param(uvloop.new_event_loop, id="uvloop"), pytest.param(asyncio.new_event_loop, id="asyncio")]


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[Any]:
    """Give a connection to a broker of its own."""
    broker = Broker(BrokerSettings(path=folder / "broker.db", port=0))
    await broker.start()
    try:
        connection = await create_conn("127.0.0.1", broker.port)
        yield connection
        connection.close()
    finally:
        await broker.stop()


class UnknownToTheBroker(MetadataRequest):
    """A request in no version that the broker speaks."""

    def prepare(self, versions: object) -> NoReturn:
        raise NotImplementedError


@pytest.mark.parametrize("loop", LOOPS)
def test_a_request_over_a_connection_just_reset_is_lost_with_it(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    async def ask_after_a_reset() -> None:
        async with connected(tmp_path) as connection:
            connection._writer.transport.abort()
            # The transport is closed by the next turn; aiokafka hears of it two turns later.
            await asyncio.sleep(0)
            await connection.send(MetadataRequest([]))

    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(KafkaConnectionError):
        runner.run(ask_after_a_reset())


async def test_a_request_that_the_broker_does_not_know_costs_no_connection(tmp_path: Path) -> None:
    async with connected(tmp_path) as connection:
        with pytest.raises(NotImplementedError):
            await connection.send(UnknownToTheBroker([]))

        assert connection.connected()
