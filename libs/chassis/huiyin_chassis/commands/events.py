"""`huiyin events`: the operator's view of the bus.

Dead letters and replays work on the services' databases directly, so they need no key and no running suite; tail and
replay need the broker.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from getpass import getuser
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from huiyin_chassis.console import AsJson, note, print_json, print_line, print_table

if TYPE_CHECKING:
    from huiyin_chassis.db import Database
    from huiyin_chassis.deadletters import DeadLetters
    from huiyin_chassis.service import Service
    from huiyin_chassis.settings import Settings

Result = TypeVar("Result")
Topics = Annotated[list[str] | None, typer.Argument(help="Topics; all when none is named.")]
LetterId = Annotated[str, typer.Argument(help="The dead letter's id, such as desk-12.", metavar="ID")]
ServiceOption = Annotated[str | None, typer.Option("--service", help="Only this service's.")]
TopicOption = Annotated[str | None, typer.Option("--topic", help="Only of this topic.")]

_EVENT_COLUMNS: Final = ("at", "topic", "partition", "offset", "key", "sequence", "id")
_LETTER_COLUMNS: Final = ("id", "topic", "key", "state", "attempts", "error_class", "last_at")


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    events = typer.Typer(help="The operator's view of the event bus.", no_args_is_help=True)
    dead = typer.Typer(help="Events that a service could not take.", no_args_is_help=True)
    app.add_typer(events, name="events")
    events.add_typer(dead, name="dead")
    events.command("tail")(tail)
    events.command("replay")(replay)
    dead.command("list")(list_dead)
    dead.command("show")(show_dead)
    dead.command("redrive")(redrive_dead)
    dead.command("discard")(discard_dead)


def tail(
    topics: Topics = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many events.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with events as they come.")] = False,
    json: AsJson = False,
) -> None:
    """Show the newest events: place, key and id, never what customers wrote."""
    if follow and json:
        raise typer.BadParameter("--json prints one document, and --follow never ends")
    rows = _run(lambda: _tail(topics or [], limit=limit))
    _print_rows(rows, columns=_EVENT_COLUMNS, as_json=json)
    if follow:
        _run(lambda: _follow(topics or []))


def replay(
    service: Annotated[str, typer.Argument(help="The service that reads again.")],
    *,
    topic: Annotated[list[str] | None, typer.Option("--topic", help="Only these of its topics.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="From this time on, UTC unless it says; default: the beginning.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Have a service read the log again; events that it has taken before change nothing."""
    counts = _run(lambda: _replay(service, topic or [], since=_aware(since)))
    rows = [{"topic": name, "events": count} for name, count in counts.items()]
    _print_rows(rows, columns=("topic", "events"), as_json=json)


def list_dead(
    *,
    service: ServiceOption = None,
    topic: TopicOption = None,
    state: Annotated[str, typer.Option(help="open, redriven, discarded or all.")] = "open",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="How many at most.")] = 50,
    json: AsJson = False,
) -> None:
    """List dead letters, oldest first."""
    rows = _run(
        lambda: _with_letters(
            lambda letters: letters.listed(_wanted(topic, state), limit=limit), service=service
        )
    )
    _print_rows(rows, columns=_LETTER_COLUMNS, as_json=json)


def show_dead(letter_id: LetterId, *, json: AsJson = False) -> None:
    """Show one dead letter; strings that could be a customer's words are masked."""
    _print_letter(_run(lambda: _with_letters(lambda letters: letters.shown(letter_id))), as_json=json)


def redrive_dead(
    letter_id: Annotated[str | None, typer.Argument(help="The dead letter's id.", metavar="[ID]")] = None,
    *,
    service: ServiceOption = None,
    topic: TopicOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All open ones that fit.")] = False,
    json: AsJson = False,
) -> None:
    """Have one dead letter, or with --all every open one that fits, tried again by the service that failed on it."""
    if (letter_id is None) is not everything:
        raise typer.BadParameter("name one dead letter or say --all")
    if letter_id is not None:
        chosen = letter_id
        letter = _run(
            lambda: _with_letters(lambda letters: letters.redrive(chosen, actor=_actor(), now=_now()))
        )
        _print_letter(letter, as_json=json)
        return
    count = _run(
        lambda: _with_letters(
            lambda letters: letters.redrive_all(_wanted(topic, "open"), actor=_actor(), now=_now()),
            service=service,
        )
    )
    if json:
        print_json({"redriven": count})
    else:
        print_line(f"{count} redriven")


def discard_dead(
    letter_id: LetterId,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why it is given up; kept with it.")],
    json: AsJson = False,
) -> None:
    """Give a dead letter up, for a reason."""
    letter = _run(
        lambda: _with_letters(
            lambda letters: letters.discard(letter_id, reason=reason, actor=_actor(), now=_now())
        )
    )
    _print_letter(letter, as_json=json)


async def _tail(topics: Sequence[str], *, limit: int) -> list[dict[str, Any]]:
    from huiyin_chassis.broker import find_kafka  # noqa: PLC0415 - imports aiokafka
    from huiyin_chassis.tail import newest_events  # noqa: PLC0415

    return await newest_events(await find_kafka(_settings()), topics, limit=limit)


async def _follow(topics: Sequence[str]) -> None:
    from huiyin_chassis.broker import find_kafka  # noqa: PLC0415
    from huiyin_chassis.tail import following_events  # noqa: PLC0415

    async for row in following_events(await find_kafka(_settings()), topics):
        print_line("  ".join(str(row[column] or "") for column in _EVENT_COLUMNS))


async def _replay(name: str, topics: Sequence[str], *, since: datetime | None) -> dict[str, int]:
    from huiyin_chassis.broker import find_kafka  # noqa: PLC0415
    from huiyin_chassis.replay import replay as have_read_again  # noqa: PLC0415
    from huiyin_chassis.service import load_service  # noqa: PLC0415
    from huiyin_chassis.verify import opened  # noqa: PLC0415

    settings = _settings()
    service = load_service(name)
    kafka = await find_kafka(settings)
    async with opened([service], settings) as databases:
        return await have_read_again(service, databases[name], kafka, topics=topics, since=since)


async def _with_letters(
    use: "Callable[[DeadLetters], Awaitable[Result]]", *, service: str | None = None
) -> Result:
    """Return what a function makes of the dead letters of one service or of all."""
    from huiyin_chassis.deadletters import DeadLetters  # noqa: PLC0415
    from huiyin_chassis.service import load_service, load_services  # noqa: PLC0415
    from huiyin_chassis.verify import opened  # noqa: PLC0415

    services: list[Service] = load_services() if service is None else [load_service(service)]
    databases: dict[str, Database]
    async with opened(services, _settings()) as databases:
        return await use(DeadLetters(databases))


def _run(work: Callable[[], Awaitable[Result]]) -> Result:
    from huiyin_chassis.logging import configure_logging  # noqa: PLC0415
    from huiyin_eventbus.errors import EventBusError  # noqa: PLC0415

    async def main() -> Result:
        return await work()

    configure_logging("error")
    try:
        return asyncio.run(main())
    except EventBusError as refused:
        note(f"huiyin: {refused}")
        raise typer.Exit(1) from None


def _settings() -> "Settings":
    from huiyin_chassis.settings import Settings, load  # noqa: PLC0415

    return load(Settings)


def _wanted(topic: str | None, state: str) -> Any:
    from huiyin_eventbus.dead_letters import Filter  # noqa: PLC0415

    if state not in {"open", "redriven", "discarded", "all"}:
        raise typer.BadParameter("the state is open, redriven, discarded or all")
    return Filter(topic=topic, state=None if state == "all" else state)  # type: ignore[arg-type]  # checked above


def _actor() -> str:
    return f"operator {getuser()}"


def _now() -> datetime:
    return datetime.now(UTC)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _print_rows(rows: Sequence[dict[str, Any]], *, columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(rows, columns=columns)


def _print_letter(letter: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(letter)
        return
    for name, value in letter.items():
        if value is not None:
            print_line(f"{name:12} {value}")
