"""Plays the departments: watches their queues and makes the calls of their plans when they are due."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from huiyin_simulator.board import Board
from huiyin_simulator.cast import Cast
from huiyin_simulator.client import SuiteClient
from huiyin_simulator.errors import RequestRefused
from huiyin_simulator.workbook import Call, Workbook

_CALLS_AT_ONCE: Final = 8
_PAGE_SIZE: Final = 50
_LOOK_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.05
_UNPROCESSABLE: Final = 422


class Departments:
    """All departments at work, from `play` until `end`."""

    def __init__(self, cast: Cast, book: Workbook, board: Board) -> None:
        self._cast = cast
        self._book = book
        self._board = board
        self.has_begun = asyncio.Event()
        """Is set by the first ticket that arrives."""
        self._idle = asyncio.Event()
        self._ended = asyncio.Event()
        self._free = asyncio.Semaphore(_CALLS_AT_ONCE)

    async def wait_until_idle(self) -> None:
        """Return when nothing is planned and nothing on its way."""
        await self._idle.wait()

    def end(self) -> None:
        """Begin nothing more; `play` returns when the calls on their way are done."""
        self._ended.set()

    async def play(self) -> None:
        """Work until `end`."""
        async with asyncio.TaskGroup() as tasks:
            for slug, client in self._cast.departments.items():
                tasks.create_task(self._watch(slug, client))
            while not self._ended.is_set():
                for call in self._book.take_due(_now()):
                    tasks.create_task(self._make(call))
                if self._book.is_idle:
                    self._idle.set()
                else:
                    self._idle.clear()
                await asyncio.sleep(_TICK_SECONDS)

    async def _watch(self, slug: str, client: SuiteClient) -> None:
        """Look into the queue of a department every second; what is new there is planned.

        A page that shows nothing new is followed by the next one, so that new tickets are found behind old ones
        without reading a long queue again and again.
        """
        while not self._ended.is_set():
            asked: dict[str, str | int] = {"department": slug, "status": "dispatched", "limit": _PAGE_SIZE}
            while True:
                page = await client.get("/v1/tickets", **asked)
                if self._take_in(slug, page["items"]) or page["next"] is None:
                    break
                asked["cursor"] = page["next"]
            await asyncio.sleep(_LOOK_SECONDS)

    def _take_in(self, slug: str, items: Sequence[Mapping[str, Any]]) -> int:
        now, at = _now(), datetime.now(UTC)
        new = sum(self._book.take_in(item, now=now, at=at) for item in items)
        self._board.arrived[slug] += new
        if new:
            self.has_begun.set()
        return new

    async def _make(self, call: Call) -> None:
        step = call.step
        client = self._cast.reviewer if step.verb == "review" else self._cast.departments[call.department]
        async with self._free:
            if self._ended.is_set():
                return
            try:
                ticket = await client.post(f"/v1/tickets/{call.ticket_id}/{step.verb}", step.body or b"")
            except RequestRefused as refused:
                if refused.status == _UNPROCESSABLE:
                    self._book.skip(call)
                else:
                    self._book.give_up()
                return
        self._book.record(call, version=ticket["version"])
        self._board.steps[call.department, _told(ticket["status"], verb=step.verb)] += 1


def _told(status: str, *, verb: str) -> str:
    return status if verb == "review" else verb


def _now() -> float:
    return asyncio.get_running_loop().time()
