"""What a consumer does beside taking events: mirror its offsets, measure its lag, notice a rewind, clean its inbox."""

import asyncio
from datetime import datetime
from time import monotonic
from types import TracebackType
from typing import Final, Self

from huiyin_eventbus.database import Database
from huiyin_eventbus.inbox import CHUNK, forget_seen
from huiyin_eventbus.membership import Membership

EVERY_SECONDS: Final = 1.0


class Chores:
    """The chores of one membership, at most once a second."""

    def __init__(self, membership: Membership) -> None:
        self._membership = membership
        self._next_at = monotonic() + EVERY_SECONDS
        self._mirroring: asyncio.Task[None] | None = None

    async def do(self) -> None:
        """Do what is due; raises when the database is out of reach."""
        if monotonic() < self._next_at:
            return
        self._next_at = monotonic() + EVERY_SECONDS
        self._membership.measure_lag()
        if self._mirroring is None or self._mirroring.done():
            # In the background: a coordinator that is slow to answer must not hold up the events.
            self._mirroring = asyncio.create_task(self._membership.mirror())
        if await self._membership.is_overtaken():
            self._membership.look_again()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Mirror the offsets a last time, unless the membership ends because it is of no use."""
        if self._mirroring is not None:
            self._mirroring.cancel()
            await asyncio.gather(self._mirroring, return_exceptions=True)
        if error is None:
            await self._membership.mirror()


async def clean_inbox(database: Database, *, before: datetime) -> int:
    """Delete inbox entries older than `before` in transactions of their own, and return how many."""
    deleted = 0
    while True:
        async with database.writing() as tx:
            found = await forget_seen(tx, before=before)
        deleted += found
        if found < CHUNK:
            return deleted
