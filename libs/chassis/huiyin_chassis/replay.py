"""Has a service read the log again, for `huiyin events replay`.

Events that its inbox knows change nothing, so a replay is safe: it brings what a mistake of the operator's (a restored
backup, a lost partition) left out. Rebuilding a projection from nothing is the service's own command.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from huiyin_chassis.db import Database
from huiyin_chassis.logreader import bounds, check_topics, event_partitions, log_reader
from huiyin_chassis.service import Service
from huiyin_eventbus.offsets import rewind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import AIOKafkaConsumer, TopicPartition

    from huiyin_eventbus.kafka import KafkaSettings


async def replay(
    service: Service,
    database: Database,
    kafka: "KafkaSettings",
    *,
    topics: "Sequence[str]",
    since: datetime | None,
) -> dict[str, int]:
    """Rewind a service to the first event at or after `since` (None: the log's beginning), and commit.

    Only the named topics, all it subscribes to when none is named. Returns how many events it will read again per
    topic; a running service notices within seconds. Raises TopicUnknown for a topic that the service does not take,
    aiokafka's KafkaError without a broker.
    """
    subscribed = service.subscriptions.topics if service.subscriptions is not None else ()
    check_topics(topics, known=subscribed)
    wanted = [topic for topic in subscribed if not topics or topic in topics]
    places = await event_partitions(kafka, wanted) if wanted else []
    if not places:
        return dict.fromkeys(wanted, 0)
    async with log_reader(kafka) as reader:
        starts, ends = await bounds(reader, places)
        if since is not None:
            starts = await _offsets_at(reader, places, since=since, ends=ends)
    async with database.writing() as tx:
        await rewind(tx, service.name, starts)
    return {
        topic: sum(ends[place] - starts[place] for place in places if place.topic == topic)
        for topic in wanted
    }


async def _offsets_at(
    reader: "AIOKafkaConsumer",
    places: "list[TopicPartition]",
    *,
    since: datetime,
    ends: "Mapping[TopicPartition, int]",
) -> "dict[TopicPartition, int]":
    found = await reader.offsets_for_times(dict.fromkeys(places, int(since.timestamp() * 1000)))
    return {place: ends[place] if at is None else at.offset for place, at in found.items()}
