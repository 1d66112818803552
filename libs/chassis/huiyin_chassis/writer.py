"""Group commit for hot paths: many callers, one transaction.

What arrives while one group commits is the next group: no timer, so a lone caller waits for nothing, and under load
one commit pays for up to 256 items. Not for use cases that read what they are about to change: those take `Writing`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.db import Database
from huiyin_chassis.errors import Overloaded, WriterClosed, WriterFull
from huiyin_eventbus.failures import is_infrastructure
from huiyin_failpoints import reach

MAX_GROUP: Final = 256
DEFAULT_BOUND: Final = 4096

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupWriter(Generic[Item, Answer]):
    """Commits submitted items in groups, one group at a time.

    `flush(tx, items)` writes a whole group and returns one answer per item, in order; it must leave nothing behind
    outside the transaction, because a failing group is rolled back and flushed again in halves.
    At most `bound` items wait; beyond that `submit` refuses.
    """

    def __init__(
        self,
        database: Database,
        flush: Callable[[AsyncConnection, Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        bound: int = DEFAULT_BOUND,
    ) -> None:
        self._database = database
        self._flush = flush
        self._bound = bound
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._draining: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, item: Item) -> Answer:
        """Return the item's answer once its group has committed.

        Raises what the flush raised for this item alone, the database's error for the whole group when the database
        is out of reach, WriterFull when too many wait, WriterClosed after `close`.
        """
        return await self._enqueued(item)

    async def submit_all(self, items: Sequence[Item]) -> list[Answer | BaseException]:
        """Return what became of each item, in order: its answer, or what `submit` would have raised.

        Comes back when every group that holds one of them has committed or failed.
        """
        futures = [self._enqueued_or_refused(item) for item in items]
        if not futures:
            return []
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        return [_outcome(future) for future in futures]

    async def close(self) -> None:
        """Refuse new items and return when all waiting ones are answered."""
        self._closed = True
        if self._draining is not None:
            await self._draining

    def _enqueued(self, item: Item) -> asyncio.Future[Answer]:
        if self._closed:
            raise WriterClosed("the service is stopping")
        if len(self._waiting) >= self._bound:
            raise WriterFull(f"{self._bound} items wait to be written")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain(), name="group-writer")
        return future

    def _enqueued_or_refused(self, item: Item) -> asyncio.Future[Answer]:
        try:
            return self._enqueued(item)
        except Overloaded as error:
            refused: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            refused.set_exception(error)
            return refused

    async def _drain(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
                # A caller that has gone (its request was cancelled) has been promised nothing.
                await self._commit([entry for entry in group if not entry[1].done()])
        finally:
            self._draining = None
            # Empty unless this task was cancelled: then nobody else would answer them.
            for _, future in self._waiting:
                future.cancel()

    async def _commit(self, group: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        if not group:
            return
        try:
            async with self._database.writing() as tx:
                answers = await self._flushed(tx, [item for item, _ in group])
                reach("writer.mid_group")
        except Exception as error:  # noqa: BLE001 - every caller must get its answer, whatever failed
            await self._halve(group, error)
        except BaseException:
            for _, future in group:
                future.cancel()
            raise
        else:
            reach("writer.after_commit")
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    async def _flushed(self, tx: AsyncConnection, items: Sequence[Item]) -> Sequence[Answer]:
        answers = await self._flush(tx, items)
        if len(answers) != len(items):
            raise RuntimeError(f"flush answered {len(answers)} of {len(items)} items")
        return answers

    async def _halve(self, group: list[tuple[Item, asyncio.Future[Answer]]], error: Exception) -> None:
        if len(group) > 1 and not is_infrastructure(error):
            middle = len(group) // 2
            await self._commit(group[:middle])
            await self._commit(group[middle:])
            return
        for _, future in group:
            if not future.done():
                future.set_exception(error)


def _outcome(future: asyncio.Future[Any]) -> Any:
    if future.cancelled():
        return WriterClosed("the service is stopping")
    error = future.exception()
    return future.result() if error is None else error
