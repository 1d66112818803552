"""How late the event loop is: the one figure that tells of handlers that compute, or wait, where they must not.

Everything in a process shares the loop. When it is late, heartbeats are missed, groups rebalance and probes time out,
far from whoever held it up. Memory and open files are told by the metrics of the process itself.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from huiyin_chassis import metrics

LOOK_EVERY: Final = timedelta(milliseconds=250)
ALARM: Final = timedelta(seconds=1)
_QUIET: Final = timedelta(seconds=10)

log = structlog.get_logger()


class LoopWatch:
    """Measures the lag of the running event loop from `start` to `stop`, and logs one over `alarm`, at most every ten seconds."""

    def __init__(self, *, every: timedelta = LOOK_EVERY, alarm: timedelta = ALARM) -> None:
        self._every_seconds = every.total_seconds()
        self._alarm_seconds = alarm.total_seconds()
        self._told_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._watch(), name="loop-watch")

    async def stop(self) -> None:
        """End it."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._every_seconds
            await asyncio.sleep(self._every_seconds)
            self._tell(max(loop.time() - due, 0.0), at=loop.time())

    def _tell(self, lag_seconds: float, *, at: float) -> None:
        metrics.LOOP_LAG_SECONDS.observe(lag_seconds)
        if lag_seconds < self._alarm_seconds:
            return
        if self._told_at is None or at - self._told_at >= _QUIET.total_seconds():
            self._told_at = at
            log.warning("loop_lagged", lag_seconds=round(lag_seconds, 3))
