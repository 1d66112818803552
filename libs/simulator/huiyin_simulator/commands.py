"""`huiyin seed` and `huiyin demo`."""

import asyncio
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from huiyin_chassis.console import AsJson, note, print_json, print_line, print_table

if TYPE_CHECKING:
    from huiyin_chassis.settings import Settings
    from huiyin_simulator.figures import Figures
    from huiyin_simulator.messages import Messages
    from huiyin_simulator.rows import Row
    from huiyin_simulator.seeding import Seeding
    from huiyin_simulator.suite import Suite
    from huiyin_simulator.summary import Summary

DEMO_ROWS: Final = 200
"""How many shipped rows a demonstration posts: what one busy core sees through all six steps in a minute."""

Language = Annotated[str | None, typer.Option("--lang", help="en or zh-CN; default: by LANG.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(seed)
    app.command()(demo)


def seed(
    file: Annotated[Path, typer.Argument(help="Rows of feedback as JSONL, plain or gzip.")],
    *,
    url: Annotated[
        str | None, typer.Option("--url", help="The suite's address; default: the settings'.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="API key; default: HUIYIN_ADMIN_KEY.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only so many rows.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Return when every new row has its outcome.")] = False,
    lang: Language = None,
    json: AsJson = False,
) -> None:
    """Post a file of feedback through the API, in order; rows that are there already change nothing.

    A row has external_id, channel, received_at, author (an id), lang and text, and may have product, store and
    rating (0 to 5); docs/guide/adapter.md shows one.
    """
    from huiyin_simulator.messages import messages_for  # noqa: PLC0415 - imported when it runs

    messages = messages_for(lang)
    settings = _prepared()
    seeding, figures = asyncio.run(
        _seed(
            islice(_rows(file), limit),
            url=url or f"http://{_in_url(settings.host)}:{settings.port}",
            key=key or _admin_key(settings),
            wait=wait,
            total=limit or _count_lines(file),
            messages=messages,
        )
    )
    if json:
        print_json(figures.document())
    else:
        _print_figures(figures, messages=messages)
    _complain(seeding, messages=messages)
    if not seeding.went_well:
        raise typer.Exit(1)


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Stop after the summary.")] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="HTTP port; default: 8000, or any when it is taken."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="How many of the shipped pieces of feedback to post.")
    ] = DEMO_ROWS,
    lang: Language = None,
    json: AsJson = False,
) -> None:
    """Run the whole suite on shipped feedback and show what becomes of it, in a data folder of its own."""
    from huiyin_simulator.messages import messages_for  # noqa: PLC0415 - imported when it runs

    settings = _prepared()
    is_verified = asyncio.run(
        _demo(settings, once=once, port=port, limit=limit, as_json=json, messages=messages_for(lang))
    )
    if not is_verified:
        raise typer.Exit(1)


async def _seed(
    rows: "Iterator[Row]", *, url: str, key: str, wait: bool, total: int | None, messages: "Messages"
) -> "tuple[Seeding, Figures]":
    from huiyin_simulator.client import connected  # noqa: PLC0415
    from huiyin_simulator.live import meter  # noqa: PLC0415
    from huiyin_simulator.seeding import post_and_settle, post_only  # noqa: PLC0415

    titles = {"post": messages.posting} | ({"settle": messages.settling} if wait else {})
    run = post_and_settle if wait else post_only
    with meter(titles, total=total) as progress:
        async with connected(url, key) as client:
            return await run(client, rows, progress=progress)


async def _demo(
    settings: "Settings",
    *,
    once: bool,
    port: int | None,
    limit: int,
    as_json: bool,
    messages: "Messages",
) -> bool:
    """Play a demonstration from start to end and return whether it was verified."""
    from time import monotonic  # noqa: PLC0415

    from huiyin_simulator import demo as playing  # noqa: PLC0415
    from huiyin_simulator.folder import demo_folder  # noqa: PLC0415
    from huiyin_simulator.policies import DEMO_POLICIES, policies_document  # noqa: PLC0415
    from huiyin_simulator.stopping import StopAsked, result_of  # noqa: PLC0415
    from huiyin_simulator.suite import running_suite  # noqa: PLC0415

    began, stop = monotonic(), StopAsked()
    with demo_folder(playing.demo_path(settings.data_dir)) as folder:
        note(messages.starting.format(folder=folder.path))
        suite_port = playing.demo_port(settings.host) if port is None else port
        policies = policies_document(DEMO_POLICIES)
        async with running_suite(folder, host=settings.host, port=suite_port, policies=policies) as suite:
            note(messages.started.format(url=suite.url, seconds=monotonic() - began))
            work = playing.perform(suite, messages=messages, began=began, rows=playing.demo_rows(limit))
            summary = await result_of(work, suite.ended(), stop.stopped())
            _print_summary(summary, as_json=as_json, messages=messages)
            if not once:
                _invite(suite, summary, as_json=as_json, messages=messages)
                await result_of(stop.wait(), suite.ended())
    return summary.is_verified


def _print_figures(figures: "Figures", *, messages: "Messages") -> None:
    document = figures.document()
    rate = figures.posted / max(figures.seconds, 0.1)
    print_line(messages.seeded.format(rate=rate, **document))
    if figures.tickets is not None:
        print_line(messages.outcomes.format(**document))
        print_line(messages.deadlines.format(**document))
        rows = [
            {messages.department: slug, messages.arrived: count} for slug, count in figures.routed.items()
        ]
        print_table(rows, columns=(messages.department, messages.arrived))
    if figures.dead:
        print_line(messages.dead.format(**document))


def _complain(seeding: "Seeding", *, messages: "Messages") -> None:
    for refusal in seeding.refusals:
        note(messages.refused_row.format(number=refusal.number, reason=refusal.reason))
    if seeding.outcomes.waiting:
        note(messages.unsettled.format(waiting=len(seeding.outcomes.waiting)))
    if seeding.bad_row is not None:
        raise seeding.bad_row


def _print_summary(summary: "Summary", *, as_json: bool, messages: "Messages") -> None:
    from huiyin_simulator import summary as words  # noqa: PLC0415

    if as_json:
        print_json(summary.figures.document())
        for line in words.verdict(summary, messages=messages):
            note(line)
        return
    print_line("")
    for line in words.headline(summary, messages=messages):
        print_line(line)
    departments = words.department_rows(summary, messages=messages)
    issues = words.issue_rows(summary, messages=messages)
    for title, rows in ((messages.routed, departments), (messages.issues, issues)):
        if rows:
            print_line(f"\n{title}")
            print_table(rows, columns=tuple(rows[0]))
    print_line("")
    for line in words.verdict(summary, messages=messages):
        print_line(line)


def _invite(suite: "Suite", summary: "Summary", *, as_json: bool, messages: "Messages") -> None:
    from huiyin_simulator.summary import invitation  # noqa: PLC0415

    lines = invitation(
        url=suite.url,
        key=suite.key,
        bootstrap=suite.bootstrap,
        department=max(summary.departments, key=lambda one: one.tickets).slug,
        ticket_id=summary.example_ticket_id,
        folder=str(suite.folder),
        messages=messages,
    )
    tell = note if as_json else print_line
    tell("")
    for line in lines:
        tell(line)


def _prepared() -> "Settings":
    """Read the settings and quieten the libraries: what they would log, the commands say in words."""
    from huiyin_chassis.logging import configure_logging  # noqa: PLC0415
    from huiyin_chassis.settings import Settings, load  # noqa: PLC0415

    configure_logging("error")
    return load(Settings)


def _admin_key(settings: "Settings") -> str:
    from huiyin_simulator.errors import KeyMissing  # noqa: PLC0415

    if settings.admin_key is None:
        raise KeyMissing
    return settings.admin_key.get_secret_value()


def _rows(file: Path) -> "Iterator[Row]":
    from huiyin_simulator.errors import FileUnreadable  # noqa: PLC0415
    from huiyin_simulator.rows import stream_rows  # noqa: PLC0415

    try:
        yield from stream_rows(file)
    except OSError as error:
        raise FileUnreadable(file, error.strerror or "it cannot be read") from None


def _count_lines(file: Path) -> int | None:
    """Return how many lines a file has, for the bar on a terminal; None where no bar is shown or it is no file."""
    from huiyin_simulator.rows import count_lines  # noqa: PLC0415

    return count_lines(file) if sys.stderr.isatty() and file.is_file() else None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else {"0.0.0.0": "127.0.0.1"}.get(host, host)  # noqa: S104 - to call, not to bind
