"""The operator's door: `huiyin analytics rebuild`, the rollup counted anew from the log."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from huiyin_chassis.console import AsJson, print_json, print_line
from huiyin_contracts.event import Envelope

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from huiyin_chassis.settings import Settings
    from huiyin_eventbus.kafka import KafkaSettings

_POLL_MILLISECONDS: Final = 500
_STUCK_SECONDS: Final = 30


def register(app: typer.Typer) -> None:
    """Add the verbs of analytics."""
    analytics = typer.Typer(help="Figures and what they are counted from.", no_args_is_help=True)
    app.add_typer(analytics, name="analytics")

    @analytics.callback()
    def analytics_verbs() -> None:
        """Figures and what they are counted from."""

    @analytics.command()
    def rebuild(
        *,
        adopt: Annotated[
            bool, typer.Option("--adopt", help="Put what was rebuilt in the place of the live rollup.")
        ] = False,
        json: AsJson = False,
    ) -> None:
        """Count everything anew from the beginning of the log and compare; exit 1 when live differs and stays.

        The suite may run meanwhile. Events that the log no longer keeps are missing from what is adopted.
        """
        outcome = asyncio.run(_rebuild(adopting=adopt))
        if json:
            print_json(outcome)
        else:
            _print(outcome)
        if not (outcome["equal"] or outcome["adopted"]):
            raise typer.Exit(1)


async def logged_events(kafka: "KafkaSettings", topics: Iterable[str]) -> AsyncIterator[Envelope]:
    """Give every event of the topics from the log's beginning to its end as of the first read.

    Records that are no events are passed over. Raises aiokafka's KafkaError when the broker is out of reach, TimeoutError
    when it gives nothing for 30 seconds.
    """
    from huiyin_chassis.logreader import bounds, event_partitions, log_reader  # noqa: PLC0415 - imports aiokafka

    places = await event_partitions(kafka, list(topics))
    if not places:
        return
    async with log_reader(kafka) as reader:
        starts, ends = await bounds(reader, places)
        for place in places:
            reader.seek(place, starts[place])
        left = {place: ends[place] for place in places if starts[place] < ends[place]}
        async for record in _records(reader, left):
            envelope = _envelope(record)
            if envelope is not None:
                yield envelope


async def _records(reader: "AIOKafkaConsumer", left: "dict[TopicPartition, int]") -> AsyncIterator[Any]:
    loop = asyncio.get_running_loop()
    moved_at = loop.time()
    while left:
        batch = await reader.getmany(*left, timeout_ms=_POLL_MILLISECONDS)
        for place, records in batch.items():
            for record in records:
                if record.offset < left[place]:
                    yield record
        reached = [place for place, end in left.items() if await reader.position(place) >= end]
        for place in reached:
            del left[place]
        if batch or reached:
            moved_at = loop.time()
        elif loop.time() - moved_at > _STUCK_SECONDS:
            raise TimeoutError(f"the broker gave nothing for {_STUCK_SECONDS} seconds")


def _envelope(record: Any) -> Envelope | None:
    from huiyin_contracts.errors import MalformedEvent  # noqa: PLC0415

    if record.value is None:
        return None
    try:
        return Envelope.from_headers(record.headers, record.value)
    except MalformedEvent:
        return None


async def _rebuild(*, adopting: bool) -> dict[str, Any]:
    from huiyin_analytics.domain.facts import CASE_EVENTS  # noqa: PLC0415
    from huiyin_analytics.usecases import projections  # noqa: PLC0415
    from huiyin_chassis.clock import utc_now  # noqa: PLC0415
    from huiyin_chassis.logging import configure_logging  # noqa: PLC0415
    from huiyin_chassis.service import load_service  # noqa: PLC0415
    from huiyin_chassis.settings import Settings, load  # noqa: PLC0415
    from huiyin_chassis.verify import opened  # noqa: PLC0415

    configure_logging("error")
    settings = load(Settings)
    service = load_service("analytics")
    topics = [event.TYPE for event in CASE_EVENTS]
    async with opened([service], settings) as databases, _kafka(settings) as kafka:
        database = databases[service.name]
        await projections.open_projection(database, zone=settings.time_zone, now=utc_now())
        rebuilt = await projections.rebuild(
            database, logged_events(kafka, topics), zone=settings.time_zone, now=utc_now()
        )
        end = projections.adopt if adopting else projections.discard
        await end(database, rebuilt.projection)
    return {
        "events": rebuilt.events,
        "unreadable": rebuilt.unreadable,
        "equal": rebuilt.is_equal,
        "differences": list(rebuilt.differences),
        "adopted": adopting,
    }


@asynccontextmanager
async def _kafka(settings: "Settings") -> "AsyncIterator[KafkaSettings]":
    """Give how to reach the log, on a broker of our own when the suite stands still."""
    from huiyin_chassis.broker import find_kafka, kafka_for_reading  # noqa: PLC0415
    from huiyin_chassis.errors import BrokerNotFound  # noqa: PLC0415

    try:
        found = await find_kafka(settings)
    except BrokerNotFound:
        async with kafka_for_reading(settings) as kafka:
            yield kafka
    else:
        yield found


def _print(outcome: dict[str, Any]) -> None:
    state = "equals the log" if outcome["equal"] else "differs from the log"
    print_line(
        f"{outcome['events']} events read, {outcome['unreadable']} unreadable; the live rollup {state}"
    )
    for line in outcome["differences"]:
        print_line(f"  {line}")
    if outcome["adopted"]:
        print_line("the rebuilt one is live now")
