"""Clients of no more use: what waits for a broker that does not answer, or for a task that has ended, gives up in time."""

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiokafka.client import AIOKafkaClient
from structlog.testing import capture_logs

from huiyin_broker import Broker, BrokerSettings
from huiyin_chassis.db import Database
from huiyin_eventbus.consumer import Consumer, ConsumerState
from huiyin_eventbus.kafka import KafkaSettings
from huiyin_eventbus.relay import RelaySettings
from tests.eventbus.driver import BusDriver, probe_event, until

Logs = Sequence[MutableMapping[str, Any]]

SESSION = timedelta(seconds=2)


@asynccontextmanager
async def mute_listener() -> AsyncIterator[int]:
    """Give the port of something that takes connections and never says a word."""
    writers: list[asyncio.StreamWriter] = []

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in writers:
        writer.close()
    await server.wait_closed()


def impatient(bootstrap: str) -> KafkaSettings:
    """Return settings of a client that soon takes a broker for gone."""
    return KafkaSettings(
        bootstrap=bootstrap,
        answer_timeout=timedelta(seconds=1),
        session_timeout=SESSION,
        heartbeat=timedelta(milliseconds=500),
        rebalance_timeout=SESSION,
    )


async def end_metadata(client: AIOKafkaClient) -> None:
    """End the task in which a client learns where things are."""
    keeper = client._sync_task
    assert keeper is not None
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)


async def test_a_broker_that_takes_the_place_of_a_mute_listener_is_found_within_seconds(
    database: Database, tmp_path: Path
) -> None:
    async with mute_listener() as port:
        bus = BusDriver(impatient(f"127.0.0.1:{port}"), database, event=probe_event("probe.mute"))
        relay, consumer = await bus.relay(), await bus.consumer()
        await bus.append(bus.probe(1))

        async def both_have_given_up() -> bool:
            return not relay.healthy and consumer.state is ConsumerState.WAITING

        await until(both_have_given_up, seconds=10)
    broker = Broker(BrokerSettings(path=tmp_path / "broker.db", port=port))
    await broker.start()

    await bus.until_effects(1)

    await bus.close()
    await broker.stop()


async def test_a_relay_whose_client_learns_nothing_more_publishes_with_a_new_one(bus: BusDriver) -> None:
    relay = await bus.relay()
    await bus.append(bus.probe(1))
    await bus.until_published()
    assert relay._producer is not None
    await end_metadata(relay._producer.client)
    of_a_new_topic = probe_event(f"probe.{uuid.uuid4().hex[:12]}")

    await bus.append(of_a_new_topic(case_id="case", number=2))
    await bus.until_published()

    assert len(await bus.log(of_a_new_topic.TYPE)) == 1


async def test_a_consumer_whose_client_learns_nothing_more_joins_anew(bus: BusDriver) -> None:
    with capture_logs() as logs:
        consumer = await bus.consumer()
        await bus.publish(bus.probe(1))
        await bus.until_effects(1)

        await end_metadata(_client_of(consumer)._client)
        await until(lambda: _has(logs, "consumer_waits"))
        await bus.publish(bus.probe(2))
        await bus.until_effects(2)

    assert await bus.numbers() == [1, 2]


async def test_a_consumer_that_waits_in_vain_for_new_partitions_joins_anew(
    broker: Broker, database: Database
) -> None:
    bus = BusDriver(impatient(broker.bootstrap), database, event=probe_event("probe.vain"))
    consumer = await bus.consumer()
    await bus.publish(bus.probe(1))
    await bus.until_effects(1)

    _client_of(consumer)._subscription.begin_reassignment()
    await bus.publish(bus.probe(2))
    await bus.until_effects(2)

    assert await bus.numbers() == [1, 2]
    await bus.close()


async def test_a_quiet_consumer_that_gets_its_partitions_anew_takes_the_broker_for_no_silent_one(
    broker: Broker, database: Database
) -> None:
    bus = BusDriver(impatient(broker.bootstrap), database, event=probe_event("probe.quiet"))
    with capture_logs() as logs:
        consumer = await bus.consumer()
        await until(lambda: _has(logs, "partitions_assigned"))
        await asyncio.sleep(SESSION.total_seconds() + 0.6)

        _client_of(consumer)._coordinator.request_rejoin()
        await until(lambda: _has(logs, "partitions_assigned", times=2))
        await asyncio.sleep(1)
        await bus.close()

    assert not await _has(logs, "consumer_waits")


async def test_what_a_relay_gives_up_fails_unheard(database: Database, tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    full = Broker(BrokerSettings(path=tmp_path / "full.db", port=0, min_free_bytes=2**62))
    await full.start()
    bus = BusDriver(impatient(full.bootstrap), database, event=probe_event("probe.unheard"))
    await bus.append(*[bus.probe(n, key=f"case-{n}", wish="x" * 60_000) for n in range(20)])
    relay = await bus.relay(settings=RelaySettings(deadline=timedelta(seconds=1)))

    async def has_failed() -> bool:
        return not relay.healthy

    await until(has_failed)
    await bus.close()
    await full.stop()
    gc.collect()
    await asyncio.sleep(0)

    assert told == []


def _client_of(consumer: Consumer) -> Any:
    assert consumer._membership is not None
    return consumer._membership._consumer


async def _has(logs: Logs, event: str, *, times: int = 1) -> bool:
    return [entry["event"] for entry in logs].count(event) >= times
