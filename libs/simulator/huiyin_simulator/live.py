"""What is to be seen on stderr while something runs: bars and tables on a terminal, now and then a line elsewhere."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final

from huiyin_chassis.console import note
from huiyin_simulator.board import Board
from huiyin_simulator.messages import Messages, department_name

if TYPE_CHECKING:
    from rich.table import Table

_REFRESH_SECONDS: Final = 0.5
_LINE_EVERY_SECONDS: Final = 5.0


@contextmanager
def meter(titles: Mapping[str, str], *, total: int | None) -> Iterator[Callable[[str, int], None]]:
    """Give a function that is told a stage and how far it has come; one bar for each stage, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _stage, _done: None
        return
    from rich.console import Console  # noqa: PLC0415 - imported when something is drawn
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        stages = {stage: bars.add_task(title, total=total) for stage, title in titles.items()}
        yield lambda stage, done: bars.update(stages[stage], completed=done)


async def show(
    board: Board, *, names: Mapping[str, Mapping[str, str]], messages: Messages, began: float
) -> None:
    """Show the board until cancelled; `began` is when, on the monotonic clock, the run began."""
    if not sys.stderr.isatty():
        while True:
            await asyncio.sleep(_LINE_EVERY_SECONDS)
            note(progress_line(board, messages=messages, seconds=monotonic() - began))
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        while True:
            table = board_table(board, names=names, messages=messages, seconds=monotonic() - began)
            live.update(table, refresh=True)
            await asyncio.sleep(_REFRESH_SECONDS)


def progress_line(board: Board, *, messages: Messages, seconds: float) -> str:
    """Return the board as one line."""
    return messages.progress.format(
        seconds=seconds,
        posted=board.posted.rows,
        total=board.total,
        classified=board.outcomes.settled,
        tickets=board.outcomes.counts["ticket"],
        triage=board.outcomes.counts["triage"],
        thanked=board.outcomes.counts["thanked"],
        answered=board.done("answer"),
        archived=board.done("archived"),
        breached=board.breached,
    )


def board_table(
    board: Board, *, names: Mapping[str, Mapping[str, str]], messages: Messages, seconds: float
) -> "Table":
    """Return the board as a table: a row for each department, what is common to all below."""
    from rich.table import Table  # noqa: PLC0415

    headings = (messages.arrived, messages.answered, messages.archived)
    table = Table(
        messages.department,
        *headings,
        box=None,
        header_style="bold",
        caption=progress_line(board, messages=messages, seconds=seconds),
        caption_justify="left",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for slug, names_of_one in names.items():
        done = (board.steps[slug, verb] for verb in ("answer", "archived"))
        name = department_name(slug, names_of_one, messages=messages)
        table.add_row(name, str(board.arrived[slug]), *map(str, done))
    return table
