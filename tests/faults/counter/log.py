"""The log as librdkafka reads it: every record of every topic, partition by partition."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import Any, Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

_PATIENCE_SECONDS: Final = 60


@dataclass(frozen=True)
class Record:
    """One record; what it says of itself is read only when asked, because it may be poison."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None

    @property
    def place(self) -> tuple[str, int, int]:
        """Return where it stands."""
        return self.topic, self.partition, self.offset

    @cached_property
    def named(self) -> dict[str, str]:
        """Return its headers."""
        return {name: value.decode("utf-8", "replace") for name, value in self.headers}

    @property
    def id(self) -> str:
        """Return the event's id."""
        return self.named["ce_id"]

    @property
    def case(self) -> str:
        """Return its key as text."""
        return (self.key or b"").decode("utf-8", "replace")

    @property
    def sequence(self) -> int:
        """Return the event's number within topic and key."""
        return int(self.named["ce_sequence"])

    @cached_property
    def said(self) -> dict[str, Any]:
        """Return the event itself."""
        body: dict[str, Any] = json.loads(self.value or b"")
        return body


@dataclass(frozen=True)
class Log:
    """All records in the order of their partitions."""

    records: Sequence[Record]

    def of(self, topic: str) -> Iterator[Record]:
        """Give the records of a topic."""
        return (record for record in self.records if record.topic == topic)

    def events(self, topic: str) -> list[Record]:
        """Return the events of a topic, each id once, at its first place."""
        first: dict[str, Record] = {}
        for record in self.of(topic):
            first.setdefault(record.id, record)
        return list(first.values())

    @cached_property
    def topics(self) -> list[str]:
        """Return the topics that hold records."""
        return sorted({record.topic for record in self.records})

    @cached_property
    def ends(self) -> dict[tuple[str, int], int]:
        """Return the offset after the last record of each partition that has records."""
        return {(record.topic, record.partition): record.offset + 1 for record in self.records}


def read_log(bootstrap: str) -> Log:
    """Return everything in the log; blocks, raises TimeoutError when the broker does not give it in a minute."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "independent-counter",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "log_level": 0,
        }
    )
    try:
        places = _partitions(consumer)
        consumer.assign(places)
        found = sorted(_read(consumer, count=len(places)), key=lambda record: record.place)
    finally:
        consumer.close()
    return Log(found)


def _partitions(consumer: Consumer) -> list[TopicPartition]:
    topics = consumer.list_topics(timeout=30).topics.values()
    return [
        TopicPartition(topic.topic, number, OFFSET_BEGINNING)
        for topic in topics
        if not topic.topic.startswith("__")
        for number in topic.partitions
    ]


def _read(consumer: Consumer, *, count: int) -> Iterator[Record]:
    """Give records until `count` partitions have come to their end."""
    ended: set[tuple[str | None, int | None]] = set()
    deadline = monotonic() + _PATIENCE_SECONDS
    while len(ended) < count:
        if monotonic() > deadline:
            raise TimeoutError(f"only {len(ended)} of {count} partitions were read in time")
        for message in consumer.consume(num_messages=1000, timeout=1):
            error = message.error()
            if error is None:
                yield _record(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add((message.topic(), message.partition()))
            elif not error.retriable():
                raise KafkaException(error)


def _record(message: Message) -> Record:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    headers = tuple((name, _bytes(value)) for name, value in _headers(message))
    return Record(topic, partition, offset, message.key(), headers, message.value())


def _headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    found: list[tuple[str, str | bytes | None]] = message.headers() or []  # type: ignore[assignment]  # always pairs
    return found


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
