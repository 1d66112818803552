"""Group commit for hot paths: many callers, one transaction.

What arrives while one group commits is the next group: no timer, so a lone caller waits for nothing, and under load
one commit pays for up to 256 items. Not for use cases that read what they are about to change: those take `Writing`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.db import Database, OneStatement
from huiyin_chassis.errors import Overloaded, WriterClosed, WriterFull
from huiyin_eventbus.failures import is_infrastructure
from huiyin_failpoints import reach

log = structlog.get_logger()

MAX_GROUP: Final = 256
DEFAULT_BOUND: Final = 4096

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Store = TypeVar("Store")
Told = TypeVar("Told")
Flush = Callable[[AsyncConnection, Sequence[Item]], Awaitable[Sequence[Answer]]]
AtOnce = Callable[[OneStatement, Sequence[Item]], Awaitable[Sequence[Answer | None]]]
_Group = list[tuple[Item, asyncio.Future[Answer]]]


class GroupWriter(Generic[Item, Answer]):
    """Commits submitted items in groups, one group at a time.

    `flush(tx, items)` writes a whole group and returns one answer per item, in order; it must leave nothing behind
    outside the transaction, because a failing group is rolled back and flushed again in halves.
    `at_once(commit, items)` may store what it can of a group before, with the one statement that `Database.at_once` lets
    it commit; its answers are None for what it leaves to `flush`. It is asked on PostgreSQL only.
    At most `bound` items wait; beyond that `submit` refuses.
    """

    def __init__(
        self,
        database: Database,
        flush: Flush[Item, Answer],
        *,
        at_once: AtOnce[Item, Answer] | None = None,
        bound: int = DEFAULT_BOUND,
    ) -> None:
        self._database = database
        self._flush = flush
        self._at_once = at_once if database.dialect_name == "postgresql" else None
        self._bound = bound
        self._waiting: _Group[Item, Answer] = []
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
                if self._at_once is None:
                    await self._commit(self._next_group())
                else:
                    await self._drain_at_once(self._at_once)
        finally:
            self._draining = None
            # Empty unless this task was cancelled: then nobody else would answer them.
            for _, future in self._waiting:
                future.cancel()

    def _next_group(self) -> _Group[Item, Answer]:
        group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
        # A caller that has gone (its request was cancelled) has been promised nothing.
        return [entry for entry in group if not entry[1].done()]

    async def _drain_at_once(self, at_once: AtOnce[Item, Answer]) -> None:
        """Commit all groups that come on one connection: taking one from the pool costs as much as sending a group."""
        group = self._next_group()
        try:
            async with self._database.at_once() as commit:
                while group:
                    await self._commit(await _left_over(at_once, commit, group))
                    group = self._next_group()
        except Exception as error:  # noqa: BLE001 - every caller must get its answer, whatever failed
            _fail(group, error)
        except BaseException:
            _cancel(group)
            raise

    async def _commit(self, group: _Group[Item, Answer]) -> None:
        if not group:
            return
        try:
            async with self._database.writing() as tx:
                answers = await _flushed(self._flush, tx, group)
                _before_commit()
        except Exception as error:  # noqa: BLE001 - every caller must get its answer, whatever failed
            await self._halve(group, error)
        except BaseException:
            _cancel(group)
            raise
        else:
            _answer(zip(group, answers, strict=True))

    async def _halve(self, group: _Group[Item, Answer], error: Exception) -> None:
        if len(group) > 1 and not is_infrastructure(error):
            middle = len(group) // 2
            await self._commit(group[:middle])
            await self._commit(group[middle:])
            return
        _fail(group, error)


async def _flushed(
    flush: Callable[[Store, Sequence[Item]], Awaitable[Sequence[Told]]],
    store: Store,
    group: _Group[Item, Any],
) -> Sequence[Told]:
    answers = await flush(store, [item for item, _ in group])
    if len(answers) != len(group):
        raise RuntimeError(f"flush answered {len(answers)} of {len(group)} items")
    return answers


async def _left_over(
    at_once: AtOnce[Item, Answer], commit: OneStatement, group: _Group[Item, Answer]
) -> _Group[Item, Answer]:
    """Commit what one statement can, answer it, and return the entries of the rest.

    Raises when the database is out of reach, or it is not certain that nothing is stored: then nobody may try again with
    the same items.
    """
    has_begun = False

    async def commit_once(statement: str, *arguments: object) -> Sequence[Sequence[Any]]:
        nonlocal has_begun
        has_begun = True
        return await commit(statement, *arguments)

    try:
        _before_commit()
        answers = await _flushed(at_once, commit_once, group)
    except Exception as error:
        if has_begun and not _is_refused(error):
            raise
        # Flushing finds the item at fault, if it is one. Seen often, the statement does not fit the schema.
        log.warning("group_not_stored_at_once", items=len(group), error=type(error).__name__)
        return group
    _answer((entry, answer) for entry, answer in zip(group, answers, strict=True) if answer is not None)
    return [entry for entry, answer in zip(group, answers, strict=True) if answer is None]


def _before_commit() -> None:
    reach("writer.mid_group")


def _answer(told: Iterable[tuple[tuple[Item, asyncio.Future[Answer]], Answer]]) -> None:
    """Tell callers what is committed."""
    reach("writer.after_commit")
    for (_, future), answer in told:
        if not future.done():
            future.set_result(answer)


def _is_refused(error: Exception) -> bool:
    """Tell whether the database has refused a statement for what it says."""
    return getattr(error, "sqlstate", None) is not None and not is_infrastructure(error)


def _cancel(group: _Group[Item, Answer]) -> None:
    for _, future in group:
        future.cancel()


def _fail(group: _Group[Item, Answer], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)


def _outcome(future: asyncio.Future[Any]) -> Any:
    if future.cancelled():
        return WriterClosed("the service is stopping")
    error = future.exception()
    return future.result() if error is None else error
