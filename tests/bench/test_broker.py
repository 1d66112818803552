"""The brokers' reader is timed from before its first fetch."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.measures.broker import _consumer, _create_topic, _Held, _produce_and_read, _producer
from huiyin_broker import Broker, BrokerSettings


@pytest.fixture
async def bootstrap(tmp_path: Path) -> AsyncIterator[str]:
    """Give the address of an embedded broker."""
    broker = Broker(BrokerSettings(path=tmp_path / "log.db", port=0))
    await broker.start()
    yield broker.bootstrap
    await broker.stop()


async def test_a_held_reader_fetches_nothing_until_it_is_let_go(bootstrap: str) -> None:
    await _create_topic(bootstrap, "volume")
    async with _producer(bootstrap) as producer:
        await producer.send_and_wait("volume", b"first")
    held = _Held()

    async with _consumer(bootstrap, "volume", group="reader", listener=held) as consumer:
        await held.has_joined.wait()
        await asyncio.sleep(0.5)
        assert consumer._fetcher is not None
        before = len(consumer._fetcher._records)
        consumer.resume(*consumer.assignment())
        record = await asyncio.wait_for(consumer.getone(), 10)

    assert before == 0
    assert record.value == b"first"


async def test_both_directions_are_measured(bootstrap: str) -> None:
    found = await _produce_and_read(bootstrap, 50)

    assert all(rate > 0 for rate in found.values())
