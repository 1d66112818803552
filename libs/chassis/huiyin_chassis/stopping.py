"""When to stop: the first SIGTERM or SIGINT asks for an orderly end, the second, or 25 seconds, makes one."""

import asyncio
import os
import signal
from datetime import timedelta
from typing import Final

import structlog

GRACE: Final = timedelta(seconds=25)
_FORCED: Final = 1

log = structlog.get_logger()


class StopSignal:
    """Waits for the operator's wish to stop. Make it in the event loop's main thread."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)

    @property
    def asked(self) -> bool:
        """Tell whether a stop was asked for."""
        return self._asked.is_set()

    async def wait(self) -> None:
        """Return when a stop is asked for."""
        await self._asked.wait()

    def _on_signal(self) -> None:
        if self._asked.is_set():
            _exit_now("second_signal")
        self._asked.set()
        log.info("stopping")
        asyncio.get_running_loop().call_later(GRACE.total_seconds(), _exit_now, "grace_is_over")


def _exit_now(reason: str) -> None:
    # Nothing is lost: what was answered is committed, the rest is taken up again at the next start.
    log.warning("stopped_at_once", reason=reason)
    os._exit(_FORCED)
