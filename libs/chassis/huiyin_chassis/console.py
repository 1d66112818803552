"""How commands speak: results on stdout, everything else on stderr.

With `--json` stdout holds one JSON document and nothing else. Progress bars show only on a terminal; `NO_COLOR` and
the width of the terminal are respected by rich, which is imported when something is drawn.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import typer

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_A_PIPE: Final = 2000

Item = TypeVar("Item")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
"""The option that every command takes."""


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, default=_plain) + "\n")
    sys.stdout.flush()


def print_line(line: str) -> None:
    """Print one line of a result on stdout, as it is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def print_table(rows: Sequence[dict[str, Any]], *, columns: Sequence[str]) -> None:
    """Print rows as a table on stdout; what stands in them is shown as text, never as markup."""
    from rich.table import Table  # noqa: PLC0415 - imported when something is drawn
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    for column in columns:
        # An id that is cut off is of no use.
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(row.get(column))) for column in columns))
    _console("stdout").print(table)


def note(line: str) -> None:
    """Print one line for the operator on stderr."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def progress(items: Iterable[Item], *, title: str, total: int | None = None) -> Iterator[Iterable[Item]]:
    """Give the items back one by one behind a progress bar on stderr; no bar where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield items
        return
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=_console("stderr"), transient=True) as bar:
        yield bar.track(items, description=title, total=total)


@contextmanager
def doing(title: str) -> Iterator[Callable[[str], None]]:
    """Give a function that tells the step in progress, shown beside a spinner where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _step: None
        return
    with _console("stderr").status(title) as status:
        yield lambda step: status.update(f"{title}: {step}")


def _console(stream: Literal["stdout", "stderr"]) -> "Console":
    from rich.console import Console  # noqa: PLC0415

    # A pipe has no width, and what reads it wants a row to be a line.
    width = None if getattr(sys, stream).isatty() else _WIDTH_OF_A_PIPE
    return Console(stderr=stream == "stderr", highlight=False, width=width)


def _shown(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(_plain(value))


def _plain(value: object) -> object:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)
