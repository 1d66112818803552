"""Reads the log outside every consumer group, so that nobody's offsets move: for operators' commands."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

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


async def event_topics(reader: "AIOKafkaConsumer") -> list[str]:
    """Return the names of all topics but Kafka's own and copies of dead letters."""
    names = await reader.topics()
    return sorted(name for name in names if not name.startswith("__") and not name.endswith(_DEAD_LETTERS))


def partitions_of(reader: "AIOKafkaConsumer", topics: Iterable[str]) -> "list[TopicPartition]":
    """Return all partitions of some topics; none of a topic that does not exist."""
    from aiokafka import TopicPartition  # noqa: PLC0415

    return [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in sorted(reader.partitions_for_topic(topic) or ())
    ]


async def bounds(
    reader: "AIOKafkaConsumer", places: "list[TopicPartition]"
) -> "tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]":
    """Return the first offset and the next one to be written, of each partition."""
    if not places:
        return {}, {}
    return await reader.beginning_offsets(places), await reader.end_offsets(places)
