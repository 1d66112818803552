"""How long `huiyin verify` waits: as long as the suite is catching up, and not for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from sqlalchemy import func, select

from huiyin_broker import Broker, BrokerSettings
from huiyin_chassis.db import Database
from huiyin_chassis.migrate import upgrade
from huiyin_chassis.service import Check, Recount, Service
from huiyin_chassis.verify import Finding, Report, verify
from huiyin_eventbus.consumer import Consumer
from huiyin_eventbus.dead_letters import Filter, discard_dead_letter, list_dead_letters
from huiyin_eventbus.kafka import KafkaSettings
from huiyin_eventbus.tables import dead_letter
from tests.chassis.example.app import SERVICE

PATIENCE_SECONDS = 1.2


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """Give an embedded broker with an empty log."""
    broker = Broker(BrokerSettings(tmp_path / "broker.db", port=0))
    await broker.start()
    yield broker
    await broker.stop()


def with_check(wrong: Callable[[int], Sequence[str]]) -> Service:
    """Return the example service with one check, told how many times it was asked before."""
    asked = iter(range(1000))

    async def run(_recount: Recount) -> Sequence[str]:
        return wrong(next(asked))

    return replace(SERVICE, checks=(Check("told", run),), facts={})


async def report_of(service: Service, broker: Broker, tmp_path: Path) -> Report:
    database = Database(f"sqlite:///{tmp_path / 'example.db'}")
    try:
        await upgrade(database, service)
        kafka = KafkaSettings(bootstrap=broker.bootstrap)
        return await verify([service], {service.name: database}, kafka, patience_seconds=PATIENCE_SECONDS)
    finally:
        await database.close()


async def test_a_suite_that_is_catching_up_is_waited_for_longer_than_patience(
    broker: Broker, tmp_path: Path
) -> None:
    # Eight recounts with half a second between them are well beyond the patience given.
    service = with_check(lambda times: [f"{8 - times} are missing"] if times < 8 else [])

    report = await report_of(service, broker, tmp_path)

    assert Finding("example: told", ok=True, count=0, examples=[]) in report.checks
    assert report.ok


async def test_what_stays_wrong_is_told_when_patience_is_over(broker: Broker, tmp_path: Path) -> None:
    report = await report_of(with_check(lambda _times: ["one is missing"]), broker, tmp_path)

    assert not report.ok
    assert [finding.examples for finding in report.checks if finding.ok is False] == [["one is missing"]]


async def test_records_that_are_no_events_are_wrong_until_their_dead_letters_are_decided(
    broker: Broker, tmp_path: Path
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'poisoned.db'}")
    await upgrade(database, SERVICE)
    kafka = KafkaSettings(bootstrap=broker.bootstrap)
    bare = replace(SERVICE, checks=(), facts={})

    async def wrong() -> dict[str, int]:
        report = await verify([bare], {bare.name: database}, kafka, patience_seconds=0.1)
        return {each.name: each.count for each in report.checks if each.ok is False}

    await _write_poison(kafka)
    untaken = await wrong()
    await _take_poison(database, kafka)
    put_aside = await wrong()
    async with database.writing() as tx:
        for letter in await list_dead_letters(tx, Filter(), after=0, limit=10):
            await discard_dead_letter(tx, letter.id, reason="a test", actor="test", now=datetime.now(UTC))
    decided = await wrong()

    await database.close()
    assert untaken["log: every record is an event"] == 1
    assert untaken["log: no gap in any sequence"] == 1
    assert put_aside == {"example: no open dead letter": 2}
    assert decided == {}


async def _write_poison(kafka: KafkaSettings) -> None:
    """Write a record without an envelope, and one whose envelope is whole and whose number and data make no sense."""
    envelope = {
        "ce_specversion": "1.0",
        "ce_id": "poison",
        "ce_source": "/tests",
        "ce_type": "unit.changed",
        "ce_time": "2026-11-22T00:00:00Z",
        "ce_dataschema": "https://huiyin.dev/schemas/unit.changed/1.0",
        "ce_sequence": "7",
    }
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        await producer.send_and_wait("unit.changed", b"{", key=b"unit")
        headers = [(name, value.encode()) for name, value in envelope.items()]
        await producer.send_and_wait("unit.changed", b"{}", key=b"unit", headers=headers)


async def _take_poison(database: Database, kafka: KafkaSettings) -> None:
    assert SERVICE.subscriptions is not None
    consumer = Consumer(database, kafka, service=SERVICE.name, subscriptions=SERVICE.subscriptions)
    await consumer.start()
    async with asyncio.timeout(30):
        while True:
            async with database.reading() as tx:
                if (await tx.execute(select(func.count()).select_from(dead_letter))).scalar_one() == 2:
                    break
            await asyncio.sleep(0.05)
    await consumer.stop()
