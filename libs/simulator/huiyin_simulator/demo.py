"""The main job on shipped feedback, from an empty folder to a verified summary, in about a minute.

A demonstration starts a suite of its own and then is its customer like any other: it posts through the API, works on
tickets through the API, and counts what the API tells.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from time import monotonic
from typing import Final

from huiyin_chassis.console import note
from huiyin_simulator.board import Board
from huiyin_simulator.cast import Cast, hired
from huiyin_simulator.client import SuiteClient, connected
from huiyin_simulator.deadlines import Deadlines, count_breached, judge_deadlines
from huiyin_simulator.figures import count_dead_letters, settled_figures
from huiyin_simulator.live import show
from huiyin_simulator.messages import Messages
from huiyin_simulator.outcomes import Outcomes, catch_up, settle
from huiyin_simulator.playing import Departments
from huiyin_simulator.policies import DEMO_POLICIES
from huiyin_simulator.posting import post_rows
from huiyin_simulator.rows import Row
from huiyin_simulator.shipped import shipped_feedback
from huiyin_simulator.suite import Suite
from huiyin_simulator.summary import DepartmentFigures, Summary
from huiyin_simulator.workbook import Workbook

SEED: Final = 20261122
_BATCH_ROWS: Final = 10
_POSTING_SECONDS: Final = 16.0
_LONGEST_PROMISE_SECONDS: Final = max(each.resolution_seconds for each in DEMO_POLICIES.values())
_PLAY_SECONDS: Final = 54.0
_SLOWEST_ROW_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 1.0
_BREACHES_EVERY_SECONDS: Final = 4.0
_DEFAULT_PORT: Final = 8000


@dataclass(frozen=True, slots=True)
class Played:
    """A demonstration that has been played: the board at its end and what became of the deadlines."""

    board: Board
    deadlines: Deadlines
    tickets: Sequence[tuple[str, str, str]]
    """(id, department, status) of every ticket at the end."""
    cast: Cast


async def perform(suite: Suite, *, messages: Messages, began: float, rows: Sequence[Row]) -> Summary:
    """Post, play and count on a running suite, and return the verified summary. `began`: on the monotonic clock."""
    began_at = datetime.now(UTC)
    async with connected(suite.url, suite.key) as admin, hired(admin, suite.url) as cast:
        note(messages.hired.format(departments=len(cast.departments), rows=len(rows)))
        board = Board(total=len(rows))
        await _play(admin, cast, board, messages=messages, began=began, rows=rows, began_at=began_at)
        tickets = [
            (item["id"], item["department"], item["status"]) async for item in admin.items("/v1/tickets")
        ]
        # What came back and found no other department waits in triage again, and is counted there.
        dispatched = {ticket_id for ticket_id, _, status in tickets if status != "returned"}
        deadlines = (await judge_deadlines(admin, since=began_at)).of(dispatched)
        dead = await count_dead_letters(admin)
        seconds = monotonic() - began
        note(messages.verifying)
        report = await suite.verify()
    figures = settled_figures(board.posted, board.outcomes, deadlines, dead=dead, seconds=seconds)
    played = Played(board, deadlines, tickets, cast)
    archived = (ticket_id for ticket_id, _, status in tickets if status == "archived")
    return Summary(
        figures,
        departments=_department_figures(played),
        issues=board.outcomes.issues,
        report=report,
        example_ticket_id=next(archived, tickets[0][0] if tickets else ""),
    )


async def _play(
    admin: SuiteClient,
    cast: Cast,
    board: Board,
    *,
    messages: Messages,
    began: float,
    rows: Sequence[Row],
    began_at: datetime,
) -> None:
    """Post while the departments work, until all work is done or the time is over."""
    departments = Departments(cast, Workbook(Random(SEED), people=cast.people), board)  # noqa: S311 - repeatable
    ends = monotonic() + _PLAY_SECONDS
    async with asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(show(board, names=cast.names, messages=messages, began=began)),
            tasks.create_task(_count_breaches(admin, board, since=began_at)),
            tasks.create_task(_tell_first_ticket(departments, messages=messages, began=began)),
        ]
        tasks.create_task(departments.play())
        await _post(admin, board, rows)
        await _follow(admin, board, until=ends)
        # The promises to the last tickets, kept or not, are to be seen too.
        await asyncio.sleep(_LONGEST_PROMISE_SECONDS + _LOOK_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, ends - monotonic())):
                await departments.wait_until_idle()
        departments.end()
        for task in background:
            task.cancel()
    board.outcomes = await _outcomes_at_the_end(admin, board)


async def _post(admin: SuiteClient, board: Board, rows: Sequence[Row]) -> None:
    """Post all rows at an even pace and meanwhile follow what becomes of them."""
    pause_until = monotonic()
    seconds_per_row = min(_POSTING_SECONDS / max(len(rows), 1), _SLOWEST_ROW_SECONDS)
    async for receipt in post_rows(admin, rows, batch_rows=_BATCH_ROWS):
        board.posted.add(receipt)
        board.accepted_ids += receipt.accepted_ids
        board.outcomes.expect(receipt.accepted_ids)
        pause_until += receipt.posted * seconds_per_row
        if board.posted.rows % (_BATCH_ROWS * 5) == 0:
            await catch_up(admin, board.outcomes)
        await asyncio.sleep(max(0.0, pause_until - monotonic()))


async def _follow(admin: SuiteClient, board: Board, *, until: float) -> None:
    while board.outcomes.waiting and monotonic() < until:
        if not await catch_up(admin, board.outcomes):
            await asyncio.sleep(_LOOK_SECONDS)


async def _outcomes_at_the_end(admin: SuiteClient, board: Board) -> Outcomes:
    """Return the outcomes as they are by now: a ticket that its department returned may wait in triage again."""
    outcomes = Outcomes()
    outcomes.expect(board.accepted_ids)
    await settle(admin, outcomes)
    return outcomes


async def _count_breaches(admin: SuiteClient, board: Board, *, since: datetime) -> None:
    while True:
        await asyncio.sleep(_BREACHES_EVERY_SECONDS)
        board.breached = await count_breached(admin, since=since)


async def _tell_first_ticket(departments: Departments, *, messages: Messages, began: float) -> None:
    await departments.has_begun.wait()
    note(messages.first_ticket.format(seconds=monotonic() - began))


def _department_figures(played: Played) -> tuple[DepartmentFigures, ...]:
    tickets = Counter(department for _, department, _ in played.tickets)
    archived = Counter(department for _, department, status in played.tickets if status == "archived")
    on_time = Counter(department for id_, department, _ in played.tickets if id_ in played.deadlines.on_time)
    breached = Counter(
        department for id_, department, _ in played.tickets if id_ in played.deadlines.breached
    )
    return tuple(
        DepartmentFigures(
            slug=slug,
            names=names,
            tickets=tickets[slug],
            answered=played.board.steps[slug, "answer"],
            archived=archived[slug],
            on_time=on_time[slug],
            breached=breached[slug],
        )
        for slug, names in played.cast.names.items()
    )


def demo_rows(limit: int) -> list[Row]:
    """Return shipped feedback of the last seven days from all origins, the same texts in the same order every time."""
    return shipped_feedback(SEED, limit, ends_at=datetime.now(UTC))


def demo_port(host: str) -> int:
    """Return the port 8000 when it is free, so that the README's calls work as they stand; else 0 for any."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, _DEFAULT_PORT))
        except OSError:
            return 0
    return _DEFAULT_PORT


def demo_path(data_dir: Path) -> Path:
    """Return where a demonstration keeps its data: beside the real ones, never among them."""
    return data_dir / "demo"
