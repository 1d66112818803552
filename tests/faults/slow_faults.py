"""F8: a consumer that hardly moves falls far behind; its memory stays flat, nobody else waits, and then it catches up.

It is frozen, and lives for a blink now and then, so that the group keeps it, or when it has taken less than it may by
now. Freezing for most of every second would not do: in a tenth of a second it takes hundreds of events.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import psutil

from tests.faults.figures import percentile
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import Stack, log_ends

SLOW: Final = "analytics"
_OTHERS: Final = ("router", "sla", "desk")
_EVENTS_PER_SECOND: Final = 1
_FROZEN_SECONDS: Final = 1.0
_BLINK_SECONDS: Final = 0.01
# Three heartbeats fit into a session.
_LONGEST_SLEEP_SECONDS: Final = 3.0
_MEGABYTE: Final = 1024 * 1024
_MOST_GROWTH_MEGABYTES: Final = 32
_LEAST_LAG_EVENTS: Final = 200
_MOST_LAG_EVENTS: Final = 500
_CAUGHT_UP_EVENTS: Final = 20
_MOST_TIMES_LONGER: Final = 5
_LOOK_SECONDS: Final = 0.2


class _Watch:
    """What is seen of the slow consumer and of the others: how much memory it takes, and how far each is behind."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._pid = stack.processes[SLOW].pid
        self._before = self._megabytes()
        self.growth_megabytes = 0.0
        self.most = dict.fromkeys((SLOW, *_OTHERS), 0)

    def look(self, *services: str) -> None:
        """Note memory and the lag of some services."""
        self.growth_megabytes = max(self.growth_megabytes, self._megabytes() - self._before)
        for service, lag in _lags(self._stack, services).items():
            self.most[service] = max(self.most[service], lag)

    def await_caught_up(self, *, within_seconds: float) -> float:
        """Return once the slow one has next to nothing left to read, and tell how many seconds that took."""
        began = time.monotonic()
        while (lag := _lags(self._stack, [SLOW])[SLOW]) > _CAUGHT_UP_EVENTS:
            assert time.monotonic() - began < within_seconds, f"{SLOW} is still {lag} events behind"
            self.look(SLOW)
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - began

    def _megabytes(self) -> float:
        return float(psutil.Process(self._pid).memory_info().rss) / _MEGABYTE


def _slow_consumer(stage: Stage) -> None:
    watch, began = _Watch(stage.stack), datetime.now(UTC)
    _hold_back(stage, watch)
    meanwhile = [line for line in stage.answers_since(began) if line["status"] == 202]
    stage.recovered(watch.await_caught_up(within_seconds=stage.terms.rest_seconds))
    others = max(watch.most[service] for service in _OTHERS)
    stage.figures |= {
        "slow_growth_megabytes": round(watch.growth_megabytes, 1),
        "slow_lag_events": watch.most[SLOW],
        "others_lag_events": others,
        "accept_p99_ms_meanwhile": percentile(sorted(line["seconds"] * 1000 for line in meanwhile), 99),
    }
    stage.expect(
        f"it falls more than {_LEAST_LAG_EVENTS} events behind", holds=watch.most[SLOW] > _LEAST_LAG_EVENTS
    )
    stage.expect("its memory stays flat", holds=watch.growth_megabytes < _MOST_GROWTH_MEGABYTES)
    stage.expect("the others keep up", holds=others < _MOST_LAG_EVENTS)


def _hold_back(stage: Stage, watch: _Watch) -> None:
    """Let the consumer take hardly more than an event a second for the whole outage.

    On a busy machine a thin load takes longer than that to leave it behind.
    """
    stack, process = stage.stack, stage.stack.processes[SLOW]
    began = blinked = time.monotonic()
    first = _taken(stack)
    process.pause()
    try:
        while (passed := time.monotonic() - began) < stage.seconds or (
            watch.most[SLOW] <= _LEAST_LAG_EVENTS and passed < _MOST_TIMES_LONGER * stage.seconds
        ):
            time.sleep(_FROZEN_SECONDS)
            watch.look(SLOW, *_OTHERS)
            is_behind = _taken(stack) - first < passed * _EVENTS_PER_SECOND
            if is_behind or time.monotonic() - blinked > _LONGEST_SLEEP_SECONDS:
                process.resume()
                time.sleep(_BLINK_SECONDS)
                process.pause()
                blinked = time.monotonic()
    finally:
        process.resume()


def _taken(stack: Stack) -> int:
    """Return how many events the slow consumer has taken in all."""
    return int(stack.rows(SLOW, "SELECT coalesce(sum(next_offset), 0) FROM consumer_offset")[0][0])


def _lags(stack: Stack, services: Iterable[str]) -> dict[str, int]:
    """Return how many events of the log each service has not taken."""
    ends = log_ends(stack.bootstrap)
    found = {}
    for service in services:
        read = stack.rows(service, "SELECT topic, part, next_offset FROM consumer_offset")
        lags = (ends.get((topic, int(part)), 0) - int(offset) for topic, part, offset in read)
        found[service] = sum(max(lag, 0) for lag in lags)
    return found


F8 = Scenario(
    "F8",
    "a consumer takes hardly anything for a while and falls behind",
    _slow_consumer,
    short=Terms(outage_seconds=12),
    long=(Terms(outage_seconds=300, rate=40, rest_seconds=1200),),
)
