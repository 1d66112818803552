"""Jobs run at once, again and again, one at a time, whatever one run does."""

import asyncio
from datetime import timedelta

from huiyin_chassis.db import Database
from huiyin_chassis.jobs import JobRunner
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Job
from huiyin_chassis.settings import Settings
from tests.chassis.example.app import SERVICE

SOON = timedelta(milliseconds=1)


async def test_a_failing_run_is_followed_by_the_next(database: Database) -> None:
    enough = asyncio.Event()
    runs: list[Runtime] = []

    async def fail(runtime: Runtime) -> None:
        runs.append(runtime)
        if len(runs) == 3:
            enough.set()
        raise RuntimeError

    runtime = Runtime(SERVICE, Settings(), database=database)
    runner = JobRunner(runtime, [Job("fail", SOON, fail)])

    runner.start()
    await asyncio.wait_for(enough.wait(), 5)
    await runner.stop()

    assert runs[0] is runtime


async def test_stopping_waits_for_the_run_in_progress_and_starts_no_other(database: Database) -> None:
    entered, finished = asyncio.Event(), []

    async def slow(_runtime: Runtime) -> None:
        entered.set()
        await asyncio.sleep(0.05)
        finished.append(True)

    runner = JobRunner(Runtime(SERVICE, Settings(), database=database), [Job("slow", SOON, slow)])
    runner.start()
    await entered.wait()

    await runner.stop()

    assert finished == [True]
