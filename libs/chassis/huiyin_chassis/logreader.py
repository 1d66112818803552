"""Reads the log outside every consumer group, so that nobody's offsets move: for operators' commands."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from huiyin_chassis.errors import TopicUnknown
from huiyin_contracts.registry import EVENTS

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from huiyin_eventbus.kafka import KafkaSettings

_DEAD_LETTERS: Final = ".dlq"


@asynccontextmanager
async def log_reader(kafka: "KafkaSettings") -> "AsyncIterator[AIOKafkaConsumer]":
    """Give a consumer without a group and without partitions; raises aiokafka's KafkaError without a broker."""
    from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - takes long to import

    reader = AIOKafkaConsumer(
        **kafka.client(),
        client_id="huiyin-operator",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        await reader.start()
        yield reader
    finally:
        await reader.stop()


async def event_partitions(kafka: "KafkaSettings", topics: Collection[str] = ()) -> "list[TopicPartition]":
    """Return all partitions of the topics of events, or of those named; none of an event that nobody has published yet.

    Topics of Kafka's own and copies of dead letters are no topics of events. Raises TopicUnknown for a name that is
    neither in the log nor an event's.
    """
    from aiokafka import TopicPartition  # noqa: PLC0415
    from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415

    admin = AIOKafkaAdminClient(**kafka.client())
    try:
        await admin.start()
        described = await admin.describe_topics()
    finally:
        await admin.close()
    check_topics(topics, known={*EVENTS, *(topic["topic"] for topic in described)})
    return sorted(
        TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        if _is_wanted(topic["topic"], topics)
        for partition in topic["partitions"]
    )


def check_topics(topics: Collection[str], *, known: Collection[str]) -> None:
    """Raise TopicUnknown for the first of some topics that is not known."""
    for topic in topics:
        if topic not in known:
            raise TopicUnknown(topic, known=known)


def _is_wanted(name: str, topics: Collection[str]) -> bool:
    if topics:
        return name in topics
    return not name.startswith("__") and not name.endswith(_DEAD_LETTERS)


async def bounds(
    reader: "AIOKafkaConsumer", places: "list[TopicPartition]"
) -> "tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]":
    """Assign partitions to a reader; return the first offset and the next one to be written, of each."""
    if not places:
        return {}, {}
    reader.assign(places)
    return await reader.beginning_offsets(places), await reader.end_offsets(places)
