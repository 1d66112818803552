"""The clock door: runs a service's jobs, each once per period and never twice at a time."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from huiyin_chassis.service import Job
from huiyin_eventbus.failures import is_infrastructure
from huiyin_failpoints import reach

if TYPE_CHECKING:
    from huiyin_chassis.runtime import Runtime

log = structlog.get_logger()

STOP_WITHIN: Final = timedelta(seconds=10)


class JobRunner:
    """Runs all jobs of one service until `stop`.

    A job that fails is logged and runs again at its next turn: what it does must be safe to repeat. A job that
    takes longer than its period skips the turns it missed.
    """

    def __init__(self, runtime: "Runtime", jobs: Sequence[Job]) -> None:
        self._runtime = runtime
        self._jobs = jobs
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start every job; the first run of each is now."""
        self._tasks = [asyncio.create_task(self._repeat(job), name=f"job-{job.name}") for job in self._jobs]

    async def stop(self) -> None:
        """Let running jobs finish and start none; a job that does not end in ten seconds is cancelled."""
        self._stopping.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=STOP_WITHIN.total_seconds())
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _repeat(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        period = job.every.total_seconds()
        turn = loop.time()
        while not self._stopping.is_set():
            await self._run(job)
            turn = max(turn + period, loop.time())
            await self._wait_until(turn)

    async def _run(self, job: Job) -> None:
        try:
            reach("jobs.before_run")
            await job.run(self._runtime)
        except Exception as error:
            fields = {"service": self._runtime.service.name, "job": job.name, "error": type(error).__name__}
            if is_infrastructure(error):
                log.warning("job_waits_for_database", **fields)
            else:
                log.exception("job_failed", **fields)

    async def _wait_until(self, turn: float) -> None:
        try:
            async with asyncio.timeout_at(turn):
                await self._stopping.wait()
        except TimeoutError:
            return
