"""What `huiyin verify` recounts for every service that stands on the bus: nothing waits, nothing is lost or doubled."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.service import Service
from huiyin_eventbus.tables import consumer_offset, dead_letter, inbox, outbox, retry

if TYPE_CHECKING:
    from huiyin_chassis.logbook import Logbook

# Inboxes forget after 30 days; a day less, so that an event on the edge is not missed.
INBOX_AGE: Final = timedelta(days=29)

_PAGE: Final = 10_000

BusCheck = Callable[[AsyncConnection, Service, "Logbook"], Awaitable[Sequence[str]]]


async def outbox_drained(tx: AsyncConnection, _service: Service, _logbook: "Logbook") -> list[str]:
    """Return events that are committed and not published."""
    return [f"{row.id} of {row.topic}" for row in await tx.execute(select(outbox.c.id, outbox.c.topic))]


async def no_open_dead_letter(tx: AsyncConnection, _service: Service, _logbook: "Logbook") -> list[str]:
    """Return dead letters that nobody has redriven or discarded."""
    rows = select(dead_letter.c.id, dead_letter.c.topic, dead_letter.c.error_class)
    found = await tx.execute(rows.where(dead_letter.c.state == "open"))
    return [f"dead letter {row.id} of {row.topic}: {row.error_class}" for row in found]


async def unreadable_places(tx: AsyncConnection) -> set[str]:
    """Return the places of records that this service found to be no events, in whatever state their dead letters are."""
    columns = (dead_letter.c.event_id, dead_letter.c.topic, dead_letter.c.part, dead_letter.c.off)
    # The bus names by its place what has no id that could be trusted.
    found = await tx.execute(select(*columns))
    return {row.event_id for row in found if row.event_id == f"{row.topic}:{row.part}:{row.off}"}


async def nothing_parked(tx: AsyncConnection, _service: Service, _logbook: "Logbook") -> list[str]:
    """Return events that wait for another try, or behind one of their key."""
    rows = select(retry.c.event_id, retry.c.topic, retry.c.attempt)
    return [f"{row.event_id} of {row.topic}, {row.attempt} tries" for row in await tx.execute(rows)]


async def caught_up(tx: AsyncConnection, service: Service, logbook: "Logbook") -> list[str]:
    """Return partitions of subscribed topics that the service has not read to their end."""
    read = await _positions(tx, service)
    return [
        f"{name} partition {partition}: at {read.get((name, partition), 0)} of {end}"
        for name in _subscribed(service, logbook)
        for partition, end in logbook.topics[name].ends.items()
        if end > logbook.topics[name].starts[partition] and read.get((name, partition), 0) < end
    ]


async def log_not_shorter(tx: AsyncConnection, service: Service, logbook: "Logbook") -> list[str]:
    """Return partitions of which the service has read more than there is: the log was lost or cut."""
    ends = {(topic.name, partition): end for topic in logbook for partition, end in topic.ends.items()}
    return [
        f"{name} partition {partition}: {offset} were read, {ends.get((name, partition), 0)} are there"
        for (name, partition), offset in (await _positions(tx, service)).items()
        if offset > ends.get((name, partition), 0)
    ]


async def every_event_taken(tx: AsyncConnection, service: Service, logbook: "Logbook") -> list[str]:
    """Return events of subscribed topics that the service's inbox does not know, as far back as inboxes remember.

    For that, the log must have been read with `aged_before` the time of `inbox_begins`.
    """
    from huiyin_chassis.logbook import packed, unpacked  # noqa: PLC0415 - it brings the Kafka client with it

    topics = [logbook.topics[name] for name in _subscribed(service, logbook)]
    untaken: set[bytes] = set()
    for topic in topics:
        untaken |= topic.ids
        untaken -= topic.aged
    async for event_id in _known_ids(tx, service.name):
        untaken.discard(packed(event_id))
    return [f"{unpacked(short)} of {topic.name}" for topic in topics for short in topic.ids & untaken]


def inbox_begins(now: datetime) -> datetime:
    """Return the time before which inboxes may have forgotten an event."""
    return now - INBOX_AGE


async def _positions(tx: AsyncConnection, service: Service) -> dict[tuple[str, int], int]:
    offsets = select(consumer_offset.c.topic, consumer_offset.c.part, consumer_offset.c.next_offset)
    mine = await tx.execute(offsets.where(consumer_offset.c.grp == service.name))
    return {(row.topic, row.part): row.next_offset for row in mine}


def _subscribed(service: Service, logbook: "Logbook") -> list[str]:
    topics = service.subscriptions.topics if service.subscriptions is not None else ()
    return [topic for topic in topics if topic in logbook.topics]


async def _known_ids(tx: AsyncConnection, group: str) -> AsyncIterator[str]:
    for table in (inbox, retry, dead_letter):
        ids = select(table.c.event_id).where(table.c.grp == group).order_by(table.c.event_id)
        after = ""
        # Page by page: the whole inbox at once would be most of the memory.
        while page := (await tx.scalars(ids.where(table.c.event_id > after).limit(_PAGE))).all():
            for event_id in page:
                yield event_id
            after = page[-1]
