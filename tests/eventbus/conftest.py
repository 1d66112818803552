"""One bus for every test: a broker, a database with the bus's tables, events and a group of the test's own."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from huiyin_broker import Broker, BrokerSettings
from huiyin_chassis.db import Database
from huiyin_eventbus.kafka import KafkaSettings
from tests.eventbus.driver import METADATA, BusDriver, probe_event

KAFKA, POSTGRESQL = pytest.mark.kafka, pytest.mark.postgresql
PAIRS = [
    pytest.param(("embedded", "sqlite"), id="embedded-sqlite"),
    pytest.param(("kafka", "postgresql"), id="kafka-postgresql", marks=[KAFKA, POSTGRESQL]),
]
CROSSED = [
    pytest.param(("embedded", "postgresql"), id="embedded-postgresql", marks=POSTGRESQL),
    pytest.param(("kafka", "sqlite"), id="kafka-sqlite", marks=KAFKA),
]


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
    async with opened(database_url) as database:
        yield database


@pytest.fixture(params=PAIRS)
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BusDriver]:
    """Give a bus on the embedded broker and SQLite, and on Apache Kafka and PostgreSQL."""
    async with driven(request, tmp_path) as driver:
        yield driver


@pytest.fixture(params=PAIRS + CROSSED)
async def every_bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BusDriver]:
    """Give a bus on each broker and database, for what rests on both: order, crashes, handing over."""
    async with driven(request, tmp_path) as driver:
        yield driver


@asynccontextmanager
async def driven(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BusDriver]:
    """Give a bus on the broker and database that the fixture's parameter names."""
    broker, database = request.param
    bootstrap: str | None = request.getfixturevalue("kafka_bootstrap") if broker == "kafka" else None
    url = f"sqlite:///{tmp_path / 'test.db'}"
    if database == "postgresql":
        url = request.getfixturevalue("postgresql_url")
    async with reached(bootstrap, tmp_path) as address, opened(url) as found:
        driver = BusDriver(
            KafkaSettings(bootstrap=address), found, event=probe_event(f"probe.{uuid.uuid4().hex[:12]}")
        )
        yield driver
        await driver.close()


@asynccontextmanager
async def reached(bootstrap: str | None, tmp_path: Path) -> AsyncIterator[str]:
    """Give a broker's address: the one there is, or that of an embedded broker started here."""
    if bootstrap:
        yield bootstrap
        return
    broker = Broker(BrokerSettings(path=tmp_path / "broker.db", port=0))
    await broker.start()
    yield broker.bootstrap
    await broker.stop()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Give a database with the tables of these tests."""
    database = Database(url)
    async with database.writing() as tx:
        await tx.run_sync(METADATA.create_all)
    yield database
    await database.close()
