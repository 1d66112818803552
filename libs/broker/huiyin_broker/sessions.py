"""The sessions of a group's members: who has been silent for too long.

A timer that fires late says nothing about the member: this process stood still itself (frozen, or starved by its
neighbours), and heartbeats may wait in the sockets. Such a timer gets a moment's grace, in which they are read. Without it a
broker that wakes up would throw out every member of every group.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

_LATE_SECONDS: Final = 0.5
_GRACE_SECONDS: Final = 1.0
Expire = Callable[[str], None]


class Sessions:
    """One timer per member; `expire` is called with the member's id when it runs out."""

    def __init__(self) -> None:
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def watch(self, member_id: str, timeout: timedelta, expire: Expire) -> None:
        """Start a member's session anew."""
        self._start(member_id, timeout.total_seconds(), expire)

    def end(self, member_id: str) -> None:
        """Stop watching a member; nothing happens when it is not watched."""
        timer = self._timers.pop(member_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Stop watching all."""
        for member_id in list(self._timers):
            self.end(member_id)

    def _start(self, member_id: str, seconds: float, expire: Expire) -> None:
        self.end(member_id)
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        self._timers[member_id] = loop.call_at(due, self._run_out, member_id, due, expire)

    def _run_out(self, member_id: str, due: float, expire: Expire) -> None:
        if asyncio.get_running_loop().time() - due > _LATE_SECONDS:
            self._start(member_id, _GRACE_SECONDS, expire)
        else:
            expire(member_id)
