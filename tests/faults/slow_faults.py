"""A consumer that hardly moves: its memory stays flat and nobody else waits for it."""

import time
from datetime import UTC, datetime
from typing import Final

import psutil

from tests.faults.figures import percentile
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import Stack, log_ends

SLOW: Final = "analytics"
_FROZEN_SECONDS: Final = 1.9
_AWAKE_SECONDS: Final = 0.1
_MEGABYTE: Final = 1024 * 1024
_MOST_GROWTH_MEGABYTES: Final = 32
_MOST_LAG_EVENTS: Final = 500


def _slow_consumer(stage: Stage) -> None:
    stack = stage.stack
    process = stack.processes[SLOW]
    began, before = datetime.now(UTC), _megabytes(process.pid)
    largest, lags = before, dict.fromkeys(("router", "sla", "desk"), 0)
    end = time.monotonic() + stage.seconds
    try:
        while time.monotonic() < end:
            process.pause()
            time.sleep(_FROZEN_SECONDS)
            process.resume()
            time.sleep(_AWAKE_SECONDS)
            largest = max(largest, _megabytes(process.pid))
            lags = {service: max(lag, _lag(stack, service)) for service, lag in lags.items()}
    finally:
        process.resume()
    stage.figures |= {
        "slow_growth_megabytes": round(largest - before, 1),
        "slow_lag_events": _lag(stack, SLOW),
        "others_lag_events": max(lags.values()),
        "accept_p99_ms_meanwhile": _p99(stage, began),
    }
    stage.expect("its memory stays flat", holds=largest - before < _MOST_GROWTH_MEGABYTES)
    stage.expect("the others keep up", holds=max(lags.values()) < _MOST_LAG_EVENTS)


def _megabytes(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / _MEGABYTE


def _lag(stack: Stack, service: str) -> int:
    ends = log_ends(stack.bootstrap)
    read = stack.rows(service, "SELECT topic, part, next_offset FROM consumer_offset")
    return sum(max(ends.get((topic, int(part)), 0) - int(offset), 0) for topic, part, offset in read)


def _p99(stage: Stage, began: datetime) -> float | None:
    answered = [line["seconds"] * 1000 for line in stage.answers_since(began) if line["status"] == 202]
    return percentile(sorted(answered), 99)


F8 = Scenario(
    "F8",
    "a consumer takes hardly anything for a while",
    _slow_consumer,
    short=Terms(outage_seconds=12),
    long=(Terms(outage_seconds=300, rate=40, rest_seconds=1200),),
)
