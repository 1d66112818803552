"""The newest events of the log, for `huiyin events tail`: what travelled, never what customers wrote."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from huiyin_chassis.logreader import bounds, event_partitions, log_reader

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from huiyin_eventbus.kafka import KafkaSettings

READ_WITHIN_SECONDS: Final = 60
_POLL_MILLISECONDS: Final = 300
_SHOWN: Final = {"ce_id": "id", "ce_sequence": "sequence", "ce_correlationid": "correlation_id"}


async def newest_events(kafka: "KafkaSettings", topics: Sequence[str], *, limit: int) -> list[dict[str, Any]]:
    """Return the newest `limit` events of some topics (of all when none is named), oldest first.

    Raises aiokafka's KafkaError without a broker, TimeoutError when it does not answer.
    """
    places = await event_partitions(kafka, topics)
    if not places:
        return []
    async with asyncio.timeout(READ_WITHIN_SECONDS), log_reader(kafka) as reader:
        left = await _seek_back(reader, places, by=limit)
        found: list[dict[str, Any]] = []
        while left:
            for place, records in (await reader.getmany(*left, timeout_ms=_POLL_MILLISECONDS)).items():
                found += _rows(place, records)
            for place in [each for each, end in left.items() if await reader.position(each) >= end]:
                del left[place]
    found.sort(key=lambda row: (row["at"], row["topic"], row["offset"]))
    return found[-limit:]


async def following_events(kafka: "KafkaSettings", topics: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
    """Give events as they come, without end; of the topics that are there now."""
    places = await event_partitions(kafka, topics)
    async with log_reader(kafka) as reader:
        await _seek_back(reader, places, by=0)
        while True:
            for place, records in (await reader.getmany(timeout_ms=_POLL_MILLISECONDS)).items():
                for row in _rows(place, records):
                    yield row


async def _seek_back(
    reader: "AIOKafkaConsumer", places: "list[TopicPartition]", *, by: int
) -> "dict[TopicPartition, int]":
    """Place the reader this far before every partition's end, and return the ends of those that have something."""
    starts, ends = await bounds(reader, places)
    for place in places:
        reader.seek(place, max(starts[place], ends[place] - by))
    return {place: ends[place] for place in places if ends[place] > starts[place]}


def _rows(place: "TopicPartition", records: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {
            "at": datetime.fromtimestamp(record.timestamp / 1000, UTC),
            "topic": place.topic,
            "partition": place.partition,
            "offset": record.offset,
            "key": (record.key or b"").decode("utf-8", "replace"),
        }
        | {name: _header(record, header) for header, name in _SHOWN.items()}
        for record in records
    ]


def _header(record: Any, name: str) -> str | None:
    found = next((value for header, value in record.headers if header == name), None)
    return None if found is None else found.decode("utf-8", "replace")
