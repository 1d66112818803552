"""The whole log read once, for `huiyin verify`: which events it holds and whether any is missing.

Reads outside every consumer group, so that nobody's offsets move. Ids and keys are kept in memory, packed: about 0.2 KB
an event, so that a log of a million takes some 200 MB.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from huiyin_chassis.logreader import bounds, event_partitions, log_reader
from huiyin_contracts.errors import MalformedEvent
from huiyin_contracts.event import Envelope

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, TopicPartition

    from huiyin_eventbus.kafka import KafkaSettings

_POLL_MILLISECONDS: Final = 500
_STUCK_SECONDS: Final = 30


_UUID_CHARS: Final = 36


def packed(event_id: str) -> bytes:
    """Return an id in the least space from which `unpacked` brings it back: 16 bytes for a UUID as it is usually written."""
    if len(event_id) == _UUID_CHARS:
        with suppress(ValueError):
            short = UUID(event_id)
            if str(short) == event_id:
                return short.bytes
    # Never 16 bytes long, so that it is not taken for a UUID.
    return b"=" + event_id.encode("utf-8", "surrogatepass") + b"=" * 16


def unpacked(short: bytes) -> str:
    """Return the id that was packed."""
    if len(short) == len(UUID(int=0).bytes):
        return str(UUID(bytes=short))
    return short[1:-16].decode("utf-8", "surrogatepass")


@dataclass(slots=True)
class Topic:
    """What was read of one topic. `starts` and `ends` are offsets per partition.

    `ids` are packed; `aged` are those of events written to their outbox before `aged_before`.
    """

    name: str
    aged_before: datetime | None = None
    starts: dict[int, int] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)
    ids: set[bytes] = field(default_factory=set)
    aged: set[bytes] = field(default_factory=set)
    last: dict[bytes, int] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)

    def add(self, partition: int, *, key: str, envelope: Envelope) -> None:
        """Take the next event of a partition: its id and `ce_sequence` are compared with those of its key before."""
        event_id, place = packed(envelope.id), packed(key)
        if event_id in self.ids:
            # The relay may publish twice when it is cut off before it could note the acknowledgement, and some ids
            # repeat by design; inboxes take neither twice.
            self.repeated.append(f"{self.name} {envelope.id}")
            self.last[place] = max(self.last.get(place, 0), envelope.sequence)
            return
        self.ids.add(event_id)
        if self.aged_before is not None and envelope.time < self.aged_before:
            self.aged.add(event_id)
        last = self.last.get(place)
        expected = last + 1 if last is not None else self._first_expected(partition)
        if expected is not None and envelope.sequence != expected:
            self.broken.append(f"{self.name} {key}: {envelope.sequence} follows {expected - 1}")
        self.last[place] = max(last or 0, envelope.sequence)

    def _first_expected(self, partition: int) -> int | None:
        # Where the log's beginning has been cut off by retention, a key may begin anywhere.
        return 1 if self.starts.get(partition, 0) == 0 else None


@dataclass(frozen=True, slots=True)
class Logbook:
    """All topics of the log by name."""

    topics: dict[str, Topic]

    def __iter__(self) -> Iterator[Topic]:
        return iter(self.topics.values())


async def read_log(
    kafka: "KafkaSettings",
    *,
    put_aside: Collection[str] = frozenset(),
    aged_before: datetime | None = None,
) -> Logbook:
    """Read every topic from its beginning to its end as of now; events from before `aged_before` are told apart.

    `put_aside` are the places (`topic:partition:offset`) of records that readers found to be no events and that are dead
    letters: they are left out, because dead letters are counted by themselves. Raises aiokafka's KafkaError when the broker is out of reach, TimeoutError when it gives nothing for 30 seconds.
    """
    places = await event_partitions(kafka)
    topics = {name: Topic(name, aged_before) for name in sorted({place.topic for place in places})}
    if places:
        async with log_reader(kafka) as reader:
            await _go_to_start(reader, places, topics=topics)
            await _read_to_end(reader, places, topics=topics, put_aside=put_aside)
    return Logbook(topics)


async def _go_to_start(
    reader: "AIOKafkaConsumer", places: "list[TopicPartition]", *, topics: dict[str, Topic]
) -> None:
    """Let the reader begin at the start of every partition, and note where each starts and ends."""
    starts, ends = await bounds(reader, places)
    for place in places:
        topics[place.topic].starts[place.partition] = starts[place]
        topics[place.topic].ends[place.partition] = ends[place]
        reader.seek(place, starts[place])


async def _read_to_end(
    reader: "AIOKafkaConsumer",
    places: "list[TopicPartition]",
    *,
    topics: dict[str, Topic],
    put_aside: Collection[str],
) -> None:
    left = {place for place in places if topics[place.topic].starts[place.partition] < _end(place, topics)}
    loop = asyncio.get_running_loop()
    moved_at = loop.time()
    while left:
        batch = await reader.getmany(*left, timeout_ms=_POLL_MILLISECONDS)
        for place, records in batch.items():
            _take(topics[place.topic], place.partition, records, put_aside=put_aside)
        reached = {place for place in left if await reader.position(place) >= _end(place, topics)}
        left -= reached
        if batch or reached:
            moved_at = loop.time()
        elif loop.time() - moved_at > _STUCK_SECONDS:
            raise TimeoutError(f"the broker gave nothing for {_STUCK_SECONDS} seconds")


def _end(place: "TopicPartition", topics: dict[str, Topic]) -> int:
    return topics[place.topic].ends[place.partition]


def _take(topic: Topic, partition: int, records: Iterable[Any], *, put_aside: Collection[str]) -> None:
    for record in records:
        if record.offset >= topic.ends[partition]:
            return
        if put_aside and f"{topic.name}:{partition}:{record.offset}" in put_aside:
            continue
        key = (record.key or b"").decode("utf-8", "replace")
        try:
            # The content is not needed, and would be most of the memory.
            envelope = Envelope.from_headers(record.headers, b"")
        except MalformedEvent:
            topic.unreadable.append(f"{topic.name} partition {partition} offset {record.offset}")
            continue
        topic.add(partition, key=key, envelope=envelope)
