"""One thread beside the event loop, for what may block: jobs run there one after the other."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeVar

Result = TypeVar("Result")
_Job = tuple["asyncio.Future[Any] | None", Callable[[], Any]]
_HURRY_EVERY_SECONDS: Final = 0.05


class Aside:
    """Runs jobs in a thread of its own, which is started with the first of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: Thread | None = None

    async def run(self, job: Callable[[], Result], *, hurry: Callable[[], None] | None = None) -> Result:
        """Return or raise what the job does.

        A job that was begun is always finished: a task that is cancelled meanwhile calls `hurry`, which may make the
        job end sooner, and goes only when the thread no longer works for it.
        """
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._start()
        self._jobs.put((done, job))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            await _settled(done, hurry=hurry or _wait)
            raise

    def submit(self, job: Callable[[], object]) -> None:
        """Have a job done without waiting for it; what it raises is lost."""
        self._start()
        self._jobs.put((None, job))

    def stop(self) -> None:
        """End the thread once its jobs are done; does not wait."""
        if self._thread is not None:
            self._thread = None
            self._jobs.put(None)

    def _start(self) -> None:
        if self._thread is None:
            # A daemon: a process that must end does not wait for a disk that does not answer.
            self._thread = Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True)
            self._thread.start()


def _work(jobs: "SimpleQueue[_Job | None]") -> None:
    while (found := jobs.get()) is not None:
        done, job = found
        outcome, error = None, None
        try:
            outcome = job()
        except BaseException as caught:  # noqa: BLE001 - it belongs to the task that waits for it
            error = caught
        if done is not None and not _told(done, outcome, error):
            return
        # Nothing of a job is kept alive until the next one comes.
        del found, done, job, outcome, error


def _told(done: "asyncio.Future[Any]", outcome: object, error: BaseException | None) -> bool:
    """Return whether there still is a loop to tell."""
    try:
        done.get_loop().call_soon_threadsafe(_settle, done, outcome, error)
    except RuntimeError:
        return False
    return True


def _settle(done: "asyncio.Future[Any]", outcome: object, error: BaseException | None) -> None:
    if error is None:
        done.set_result(outcome)
    else:
        done.set_exception(error)


def _wait() -> None:
    """Hurry nobody."""


async def _settled(done: "asyncio.Future[Any]", *, hurry: Callable[[], None]) -> None:
    """Return when the job is over, however often the waiting task is cancelled."""
    while not done.done():
        # Again and again: a job that has not begun yet cannot be hurried.
        hurry()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({done}, timeout=_HURRY_EVERY_SECONDS)
    # Looked at, so that asyncio does not complain of an error that nobody took.
    done.exception()
