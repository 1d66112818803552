"""Events may gather after a batch that emptied the log or the outbox; a backlog and a stop wait for nothing."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.consumer import ConsumerState
from huiyin_eventbus.relay import RelaySettings
from huiyin_eventbus.subscriptions import Received
from tests.eventbus.driver import BusDriver, quick_settings, store_effects, until

LONG = timedelta(seconds=30)


class Batches:
    """A handler that remembers how large its batches were."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def __call__(self, tx: AsyncConnection, received: Sequence[Received[Any]]) -> None:
        self.sizes.append(len(received))
        await store_effects(tx, received)


async def test_what_comes_while_a_consumer_lingers_is_one_batch(bus: BusDriver) -> None:
    taken = Batches()
    await bus.relay()
    await bus.consumer(taken, settings=quick_settings(linger=timedelta(seconds=6)))
    await bus.append(bus.probe(0))
    await bus.until_effects(1)

    for number in (1, 2, 3):
        await bus.append(bus.probe(number))
    await bus.until_effects(4)

    assert taken.sizes == [1, 3]
    assert await bus.numbers() == [0, 1, 2, 3]


async def test_a_backlog_is_taken_without_a_pause(bus: BusDriver) -> None:
    taken = Batches()
    await bus.publish(*[bus.probe(number) for number in range(35)])

    await bus.consumer(taken, settings=quick_settings(batch=10, linger=LONG))
    await bus.until_effects(35)

    assert sum(taken.sizes) == 35
    assert max(taken.sizes) == 10


async def test_a_consumer_that_lingers_is_ready(bus: BusDriver) -> None:
    await bus.publish(bus.probe(0))
    consumer = await bus.consumer(settings=quick_settings(linger=LONG))
    await bus.until_effects(1)

    async def is_healthy() -> bool:
        return consumer.healthy

    await until(is_healthy, seconds=LONG.total_seconds() / 2)

    assert await bus.numbers() == [0]


async def test_a_consumer_that_lingers_stops_at_once(bus: BusDriver) -> None:
    await bus.publish(bus.probe(0))
    consumer = await bus.consumer(settings=quick_settings(linger=LONG))
    await bus.until_effects(1)

    async with asyncio.timeout(10):
        await consumer.stop()

    assert consumer.state is ConsumerState.STOPPED


async def test_a_relay_lingers_only_when_it_has_published(bus: BusDriver) -> None:
    await bus.relay(settings=RelaySettings(linger=LONG))
    await bus.append(bus.probe(0))
    # Quick, although the relay has begun with a look at an empty outbox.
    await until(bus.outbox_is_empty, seconds=LONG.total_seconds() / 2)

    await bus.append(bus.probe(1))
    await asyncio.sleep(0.5)

    assert not await bus.outbox_is_empty()


async def test_a_relay_that_lingers_publishes_what_waits_before_it_stops(bus: BusDriver) -> None:
    relay = await bus.relay(settings=RelaySettings(linger=LONG))
    await bus.append(bus.probe(0))
    await bus.until_published()
    await bus.append(bus.probe(1))

    await relay.stop()

    assert await bus.outbox_is_empty()
