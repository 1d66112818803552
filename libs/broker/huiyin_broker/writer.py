"""The one thread that writes: it takes whatever waits, commits it together, tells the event loop, and repeats.

A lone operation never waits for a timer and a crowd shares one fsync. When a commit fails everything in it is rolled
back and every operation is tried again alone, so that a small one may still fit on a nearly full disk and a faulty
one hurts nobody else.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from huiyin_broker.errors import StorageFailed
from huiyin_broker.ledger import Change, Ledger, Transaction
from huiyin_failpoints import reach

T = TypeVar("T")
Operation = Callable[[Transaction], T]

_GROUP_LIMIT: Final = 512
_SILENCE_SECONDS: Final = 10.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    operation: Operation[Any]
    answer: "asyncio.Future[Any]"


Publish = Callable[[Sequence[Change]], None]
Begin = Callable[[], Transaction]


class Writer:
    """Runs operations in its own thread, in the order of `submit`, many per commit."""

    def __init__(
        self, connection: sqlite3.Connection, ledger: Ledger, *, begin: Begin, publish: Publish
    ) -> None:
        self._connection = connection
        self._ledger = ledger
        self._begin = begin
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._failures = 0
        self._silent_until = 0.0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="broker-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """Queue an operation; the future holds its result after COMMIT, or raises StorageFailed after a rollback."""
        answer: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(operation, answer))
        return answer

    async def close(self) -> None:
        """Finish everything submitted so far and end the thread."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs = [first]
            stopping = False
            with contextlib.suppress(queue.Empty):
                while len(jobs) < _GROUP_LIMIT and not stopping:
                    following = self._jobs.get_nowait()
                    if following is None:
                        stopping = True
                    else:
                        jobs.append(following)
            self._commit(jobs)
            if stopping:
                return

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            changes, results = self._attempt(jobs)
        except Exception as error:  # noqa: BLE001 - the job loop: one failing operation must not end it
            self._roll_back()
            if len(jobs) == 1:
                self._fail(jobs[0], error)
                return
            for job in jobs:
                self._commit([job])
        else:
            self._tell(self._succeeded, jobs, changes, results)

    def _attempt(self, jobs: list[_Job]) -> tuple[list[Change], list[Any]]:
        transaction = self._begin()
        self._connection.execute("BEGIN IMMEDIATE")
        results = []
        for job in jobs:
            results += [job.operation(transaction)]
            reach("broker.mid_group")
        transaction.flush()
        reach("broker.before_commit")
        self._connection.execute("COMMIT")
        self._ledger.adopt(transaction)
        reach("broker.after_commit")
        return transaction.changes, results

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _fail(self, job: _Job, error: Exception) -> None:
        if isinstance(error, sqlite3.Error):
            self._tell_of_failure(error)
            error = StorageFailed(str(error))
        else:
            log.error("log_operation_failed", exc_info=error)
        self._tell(self._failed, job, error)

    def _tell_of_failure(self, error: sqlite3.Error) -> None:
        """Log failures at most every ten seconds: clients that retry would fill a full disk with lines."""
        self._failures += 1
        if time.monotonic() >= self._silent_until:
            log.error("log_write_failed", reason=str(error), failures=self._failures)
            self._failures, self._silent_until = 0, time.monotonic() + _SILENCE_SECONDS

    def _tell(self, callback: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _succeeded(self, jobs: list[_Job], changes: list[Change], results: list[Any]) -> None:
        self._publish(changes)
        for job, result in zip(jobs, results, strict=True):
            if not job.answer.done():
                job.answer.set_result(result)

    def _failed(self, job: _Job, error: Exception) -> None:
        if not job.answer.done():
            job.answer.set_exception(error)
