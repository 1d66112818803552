"""The thread beside the loop: jobs in order, errors to their owners, nothing abandoned half-way."""

import asyncio
from functools import partial
from threading import Event, current_thread

import pytest

from huiyin_chassis.aside import Aside


async def test_a_job_runs_in_the_named_thread_and_returns() -> None:
    aside = Aside("beside")

    assert await aside.run(lambda: current_thread().name) == "beside"

    aside.stop()


async def test_what_a_job_raises_reaches_the_one_who_waits() -> None:
    aside = Aside("beside")

    with pytest.raises(ZeroDivisionError):
        await aside.run(lambda: 1 // 0)

    assert await aside.run(lambda: 1) == 1
    aside.stop()


async def test_jobs_run_one_after_the_other() -> None:
    aside, seen = Aside("beside"), list[int]()

    await asyncio.gather(*(aside.run(partial(seen.append, number)) for number in range(20)))

    assert seen == list(range(20))
    aside.stop()


async def test_a_cancelled_task_goes_only_when_its_job_is_done() -> None:
    aside, began, may_end, ended = Aside("beside"), Event(), Event(), Event()

    def job() -> None:
        began.set()
        may_end.wait()
        ended.set()

    task = asyncio.create_task(aside.run(job))
    await asyncio.to_thread(began.wait)
    task.cancel()
    task.cancel()
    await asyncio.wait({task}, timeout=0.1)
    assert not task.done()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended.is_set()
    aside.stop()


async def test_a_cancelled_task_hurries_its_job_until_that_ends() -> None:
    aside, hurried = Aside("beside"), Event()
    blocked = asyncio.create_task(aside.run(hurried.wait))
    task = asyncio.create_task(aside.run(hurried.wait, hurry=hurried.set))
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task

    assert await blocked
    aside.stop()


async def test_a_stopped_thread_does_first_what_it_was_given() -> None:
    aside, done = Aside("beside"), Event()

    aside.submit(done.set)
    aside.stop()

    assert await asyncio.to_thread(done.wait, 5)


async def test_an_error_that_nobody_waits_for_does_not_end_the_thread() -> None:
    aside = Aside("beside")

    aside.submit(lambda: 1 // 0)

    assert await aside.run(lambda: 1) == 1
    aside.stop()
