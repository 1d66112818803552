"""How long `huiyin verify` waits: as long as the suite is catching up, and not for ever."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from huiyin_broker import Broker, BrokerSettings
from huiyin_chassis.db import Database
from huiyin_chassis.migrate import upgrade
from huiyin_chassis.service import Check, Recount, Service
from huiyin_chassis.verify import Finding, Report, verify
from huiyin_eventbus.kafka import KafkaSettings
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
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'example.db'}")
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
