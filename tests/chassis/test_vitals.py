"""The lag of the event loop is measured, and told when somebody holds it up."""

import asyncio
import time
from datetime import timedelta

from prometheus_client import REGISTRY, generate_latest
from structlog.testing import capture_logs

from huiyin_chassis.vitals import LoopWatch

QUICK = timedelta(milliseconds=5)


def looks() -> float:
    return REGISTRY.get_sample_value("huiyin_loop_lag_seconds_count") or 0


def long_ones() -> float:
    within = REGISTRY.get_sample_value("huiyin_loop_lag_seconds_bucket", {"le": "0.1"}) or 0
    return looks() - within


async def watched(*, holding_seconds: float, alarm: timedelta = timedelta(milliseconds=100)) -> list[str]:
    """Return what is logged while the loop is held up three times."""
    watch = LoopWatch(every=QUICK, alarm=alarm)
    with capture_logs() as logs:
        watch.start()
        for _ in range(3):
            await asyncio.sleep(0.02)
            time.sleep(holding_seconds)  # this is what must not be done
        await asyncio.sleep(0.02)
        await watch.stop()
    return [line["event"] for line in logs]


async def test_a_loop_that_is_held_up_is_told_once_and_measured_each_time() -> None:
    before = long_ones()

    told = await watched(holding_seconds=0.15)

    assert told == ["loop_lagged"]
    assert long_ones() - before >= 3


async def test_a_loop_that_turns_is_measured_and_not_told() -> None:
    before = looks()

    told = await watched(holding_seconds=0, alarm=timedelta(seconds=30))

    assert told == []
    assert looks() > before


async def test_a_watch_that_never_began_can_be_stopped() -> None:
    await LoopWatch().stop()


def test_memory_and_open_files_are_told_too() -> None:
    told = generate_latest().decode()

    assert "process_resident_memory_bytes" in told
    assert "process_open_fds" in told
