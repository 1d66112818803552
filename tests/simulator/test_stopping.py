import asyncio

import pytest

from huiyin_simulator.errors import Stopped, SuiteFailed
from huiyin_simulator.stopping import result_of


async def for_ever() -> None:
    await asyncio.Event().wait()


async def failing() -> None:
    raise SuiteFailed("it ended by itself")


async def test_work_that_ends_gives_its_result() -> None:
    async def work() -> int:
        return 42

    assert await result_of(work(), for_ever()) == 42


async def test_a_guard_that_raises_cancels_the_work() -> None:
    ended = []

    async def work() -> None:
        try:
            await for_ever()
        finally:
            ended.append(True)

    with pytest.raises(SuiteFailed):
        await result_of(work(), failing())

    assert ended == [True]


async def test_the_first_failure_inside_a_group_is_told_alone() -> None:
    async def work() -> None:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(for_ever())
            async with asyncio.TaskGroup() as inner:
                inner.create_task(failing())

    with pytest.raises(SuiteFailed, match="by itself"):
        await result_of(work())


async def test_work_that_fails_by_itself_tells_its_own_error() -> None:
    async def work() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        await result_of(work(), for_ever())
