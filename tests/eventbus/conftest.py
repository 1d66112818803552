"""One bus for every test: a broker, a database with the bus's tables, events and a group of the test's own."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from huiyin_broker import Broker, BrokerSettings
from huiyin_chassis.db import Database
from huiyin_eventbus.kafka import KafkaSettings
from tests.eventbus.driver import METADATA, BusDriver, probe_event


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
async def kafka(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[KafkaSettings]:
    """Give the way to a broker; the test runs once on the embedded one and once on Apache Kafka."""
    if request.param == "kafka":
        yield KafkaSettings(bootstrap=request.getfixturevalue("kafka_bootstrap"))
        return
    broker = Broker(BrokerSettings(path=tmp_path / "broker.db", port=0))
    await broker.start()
    yield KafkaSettings(bootstrap=broker.bootstrap)
    await broker.stop()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """Give an embedded broker that a test may stop and start."""
    broker = Broker(BrokerSettings(path=tmp_path / "broker.db", port=0))
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give a database with the bus's tables and one for effects, on SQLite and on PostgreSQL."""
    database = Database(database_url)
    async with database.writing() as tx:
        await tx.run_sync(METADATA.create_all)
    yield database
    await database.close()


@pytest.fixture
async def bus(kafka: KafkaSettings, database: Database) -> AsyncIterator[BusDriver]:
    """Give a bus on each broker and database."""
    driver = BusDriver(kafka, database, event=probe_event(f"probe.{uuid.uuid4().hex[:12]}"))
    yield driver
    await driver.close()
