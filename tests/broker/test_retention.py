import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from huiyin_broker import BrokerSettings
from huiyin_broker.coordinator import Coordinator
from huiyin_broker.log import Log
from huiyin_broker.operations import create_topic
from huiyin_broker.retention import PRODUCER_MEMORY, enforce_retention, keep_retention
from huiyin_broker.topic_configs import UnknownConfig, checked_configs, effective_configs, kept_by
from tests.broker.conftest import OpenLog
from tests.broker.test_log import appending, view_of
from tests.broker.wire import record_batch

HOUR_MS = 3_600_000
NOON_MS = 1_700_000_000_000


async def filled(log: Log, *, hours: int, **configs: str) -> None:
    """Make a topic with one batch per hour up to noon."""
    named = {name.replace("_", "."): value for name, value in configs.items()}
    await log.write(lambda tx: create_topic(tx, "t", partitions=1, configs=named, limit=10))
    for hour in range(hours):
        stamp = NOON_MS - (hours - 1 - hour) * HOUR_MS
        await log.write(appending(record_batch(b"x" * 100, timestamp_ms=stamp)))


async def test_batches_older_than_the_retention_go(open_log: OpenLog, settings: BrokerSettings) -> None:
    log = open_log()
    await filled(log, hours=10)

    removed = await enforce_retention(
        log, replace(settings, retention=timedelta(hours=3, minutes=30)), now_ms=NOON_MS
    )

    assert removed == 6
    assert (view_of(log).log_start, view_of(log).high_watermark) == (6, 10)


async def test_a_young_batch_keeps_all_after_it(open_log: OpenLog, settings: BrokerSettings) -> None:
    log = open_log()
    await filled(log, hours=2)
    await log.write(appending(record_batch(b"late", timestamp_ms=NOON_MS - 100 * HOUR_MS)))

    await enforce_retention(log, replace(settings, retention=timedelta(hours=2)), now_ms=NOON_MS)

    assert view_of(log).log_start == 0


async def test_the_newest_bytes_stay(open_log: OpenLog, settings: BrokerSettings) -> None:
    log = open_log()
    await filled(log, hours=10)
    batch_bytes = len(record_batch(b"x" * 100))

    await enforce_retention(
        log, replace(settings, retention=None, retention_bytes=3 * batch_bytes + 1), now_ms=NOON_MS
    )

    assert view_of(log).log_start == 7


async def test_a_topics_own_retention_goes_before_the_brokers(
    open_log: OpenLog, settings: BrokerSettings
) -> None:
    log = open_log()
    await filled(log, hours=10, retention_ms=str(5 * HOUR_MS))

    await enforce_retention(log, replace(settings, retention=timedelta(hours=1)), now_ms=NOON_MS)

    assert view_of(log).log_start == 4


async def test_without_limits_everything_stays(open_log: OpenLog, settings: BrokerSettings) -> None:
    log = open_log()
    await filled(log, hours=3)

    removed = await enforce_retention(log, replace(settings, retention=None), now_ms=NOON_MS * 2)

    assert removed == 0


async def test_silent_producers_are_forgotten_in_time(open_log: OpenLog, settings: BrokerSettings) -> None:
    log = open_log()
    await filled(log, hours=1)
    await log.write(appending(record_batch(b"a", producer_id=5, epoch=0, sequence=0)))
    later_ms = NOON_MS * 2 + PRODUCER_MEMORY // timedelta(milliseconds=1)

    await enforce_retention(log, replace(settings, retention=None), now_ms=later_ms)

    assert (
        await log.write(appending(record_batch(b"a", producer_id=5, epoch=0, sequence=9)))
    ).base_offset == 2


@pytest.mark.parametrize(
    "given", [{"no.such.thing": "1"}, {"retention.ms": "soon"}, {"retention.bytes": "-2"}]
)
def test_configs_that_mean_nothing_are_refused(given: dict[str, str | None]) -> None:
    with pytest.raises(UnknownConfig):
        checked_configs(given)


def test_configs_that_change_nothing_here_are_ignored() -> None:
    given: dict[str, str | None] = {"cleanup.policy": "compact", "retention.ms": "-1", "segment.ms": None}

    assert checked_configs(given) == {"retention.ms": "-1"}


def test_minus_one_keeps_for_ever(settings: BrokerSettings) -> None:
    kept = kept_by({"retention.ms": "-1", "retention.bytes": "-1"}, replace(settings, retention_bytes=5))

    assert (kept.age, kept.size_bytes) == (None, None)
    assert effective_configs({"retention.ms": "-1"}, settings)["retention.ms"] == "-1"


def test_the_largest_number_keeps_for_ever(settings: BrokerSettings) -> None:
    assert kept_by({"retention.ms": str(2**63 - 1)}, settings).age is None


async def test_retention_runs_by_itself_and_again(open_log: OpenLog, settings: BrokerSettings) -> None:
    log = open_log()
    often = replace(settings, retention=timedelta(hours=1), retention_check=timedelta(milliseconds=20))
    keeping = asyncio.create_task(keep_retention(log, Coordinator(initial_delay=timedelta(0)), often))

    await filled(log, hours=3)
    async with asyncio.timeout(5):
        while view_of(log).log_start < 3:
            await asyncio.sleep(0.01)

    assert view_of(log).log_start == 3
    keeping.cancel()


def test_the_default_is_400_days(settings: BrokerSettings) -> None:
    assert effective_configs({}, settings)["retention.ms"] == str(400 * 24 * HOUR_MS)
