"""Ending in order on Ctrl-C or SIGTERM, whatever is going on."""

import asyncio
import signal
from collections.abc import Awaitable
from typing import TypeVar

from huiyin_simulator.errors import Stopped

Result = TypeVar("Result")


class StopAsked:
    """Knows whether the operator wants an end. Make it in the event loop's main thread."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked.set)

    async def wait(self) -> None:
        """Return when an end is asked for."""
        await self._asked.wait()

    async def stopped(self) -> None:
        """Raise Stopped when an end is asked for."""
        await self._asked.wait()
        raise Stopped


async def result_of(work: Awaitable[Result], *guards: Awaitable[None]) -> Result:
    """Return what work gives, unless a guard ends or raises before; then work is cancelled and awaited.

    Of a group of exceptions the first one is raised: the others follow from it.
    """
    working = asyncio.ensure_future(work)
    watching = [asyncio.ensure_future(guard) for guard in guards]
    try:
        done, _ = await asyncio.wait([working, *watching], return_when=asyncio.FIRST_COMPLETED)
        for guard in watching:
            if guard in done and working not in done:
                guard.result()
        return await working
    except BaseExceptionGroup as group:
        raise _first_of(group) from None
    finally:
        for task in (working, *watching):
            task.cancel()
        await asyncio.gather(working, *watching, return_exceptions=True)


def _first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
