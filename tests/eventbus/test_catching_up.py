"""A consumer knows when it has read what happened before it came, and finds a broker that has moved."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_broker import Broker, BrokerSettings
from huiyin_chassis.db import Database
from huiyin_eventbus.kafka import KafkaSettings
from huiyin_eventbus.subscriptions import Received
from tests.eventbus.driver import METADATA, BusDriver, Probe, probe_event, store_effects, until


async def test_a_consumer_lives_in_the_past_until_it_has_read_what_there_was(bus: BusDriver) -> None:
    may_go_on = asyncio.Event()

    async def wait_and_store(tx: AsyncConnection, received: Sequence[Received[Probe]]) -> None:
        await may_go_on.wait()
        await store_effects(tx, received)

    await bus.publish(*(bus.probe(number, key=f"case-{number}") for number in range(20)))
    consumer = await bus.consumer(wait_and_store)
    await until(lambda: holds(consumer.is_assigned))
    assert not consumer.has_caught_up

    may_go_on.set()
    await bus.until_effects(20)

    await until(lambda: holds(consumer.has_caught_up))


async def test_a_consumer_that_has_caught_up_stays_so_while_more_comes(bus: BusDriver) -> None:
    consumer = await bus.consumer()
    await until(lambda: holds(consumer.has_caught_up))

    await bus.publish(bus.probe(1))

    assert consumer.has_caught_up
    await bus.until_effects(1)


async def test_a_consumer_that_starts_again_begins_in_the_past(bus: BusDriver) -> None:
    consumer = await bus.consumer()
    await until(lambda: holds(consumer.has_caught_up))
    await consumer.stop()

    await consumer.start()

    assert not consumer.has_caught_up
    await until(lambda: holds(consumer.has_caught_up))


async def holds(is_true: bool) -> bool:  # noqa: FBT001  # what `until` awaits
    return is_true


@pytest.mark.timeout(120)
async def test_relay_and_consumer_find_a_broker_that_comes_back_on_another_port(tmp_path: Path) -> None:
    settings = BrokerSettings(path=tmp_path / "broker.db", port=0)
    first = Broker(settings)
    await first.start()
    addresses = [first.bootstrap]
    kafka = KafkaSettings(bootstrap=first.bootstrap, locate=lambda: addresses[-1])
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    async with database.writing() as tx:
        await tx.run_sync(METADATA.create_all)
    bus = BusDriver(kafka, database, event=probe_event("probe.moved"))
    await bus.relay()
    await bus.consumer()
    await bus.append(bus.probe(1))
    await bus.until_effects(1)

    await first.stop()
    await bus.append(bus.probe(2))
    second = Broker(settings)
    await second.start()
    addresses.append(second.bootstrap)

    await until(lambda: has_two(bus), seconds=60)
    assert second.port != first.port
    assert await bus.numbers() == [1, 2]
    await bus.close()
    await second.stop()
    await database.close()


async def has_two(bus: BusDriver) -> bool:
    return len(await bus.effects()) == 2
