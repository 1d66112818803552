"""What is sent over a connection that was reset a moment ago fails as aiokafka expects, on the services' loop too."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

import huiyin_eventbus.kafka  # noqa: F401  # every client is made by it or with its settings
from huiyin_broker import Broker, BrokerSettings

LOOPS = [pytest.param(uvloop.new_event_loop, id="uvloop"), pytest.param(asyncio.new_event_loop, id="asyncio")]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_request_over_a_connection_just_reset_is_lost_with_it(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    async def ask_after_a_reset() -> None:
        broker = Broker(BrokerSettings(path=tmp_path / "broker.db", port=0))
        await broker.start()
        connection = await create_conn("127.0.0.1", broker.port)
        connection._writer.transport.abort()
        # The transport is closed by the next turn; aiokafka hears of it two turns later.
        await asyncio.sleep(0)
        try:
            await connection.send(MetadataRequest([]))
        finally:
            await broker.stop()

    with asyncio.Runner(loop_factory=loop) as runner, pytest.raises(KafkaConnectionError):
        runner.run(ask_after_a_reset())
