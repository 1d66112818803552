"""Packs outbox rows into one record batch per partition, so that the producer handles batches and not records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import unpack_from
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from huiyin_eventbus import headers
from huiyin_eventbus.publishing import OutboxRow

_SEED: Final = 0x9747B28C
_FACTOR: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
_REMEMBERED_KEYS: Final = 8192


@dataclass(frozen=True, slots=True)
class Pack:
    """Records of one partition, in order."""

    topic: str
    partition: int
    batch: BatchBuilder


def pack(
    producer: AIOKafkaProducer, rows: Sequence[OutboxRow], *, partitions: Mapping[str, int]
) -> list[Pack]:
    """Return rows as batches to be sent in the order given; a partition has several when they would be too large.

    `partitions` gives each topic's number of partitions.
    """
    packs: list[Pack] = []
    filling: dict[tuple[str, int], BatchBuilder] = {}
    for row in rows:
        key = row.key.encode()
        place = (row.topic, partition_of(key, partitions[row.topic]))
        record: dict[str, Any] = {
            "timestamp": None,
            "key": key,
            "value": row.payload,
            "headers": headers.from_text(row.headers),
        }
        batch = filling.get(place)
        if batch is None or batch.append(**record) is None:
            batch = filling[place] = producer.create_batch()
            # The first record of a batch fits whatever its size; what no broker takes was never appended.
            batch.append(**record)
            packs.append(Pack(*place, batch))
    return packs


@lru_cache(_REMEMBERED_KEYS)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, the same as Kafka's own clients choose.

    Remembered, because a case's events follow each other. Source: org.apache.kafka.clients.producer.internals,
    BuiltInPartitioner.
    """
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(key: bytes) -> int:
    """Return the 32-bit MurmurHash2 of bytes as Kafka computes it, a word at a time.

    Source: org.apache.kafka.common.utils.Utils.murmur2. aiokafka's goes byte by byte and takes several times as long.
    """
    words, rest = divmod(len(key), 4)
    found = _SEED ^ len(key)
    for each in unpack_from(f"<{words}I", key):
        word = each * _FACTOR & _WORD
        found = (found * _FACTOR & _WORD) ^ ((word ^ word >> 24) * _FACTOR & _WORD)
    if rest:
        found = (found ^ int.from_bytes(key[-rest:], "little")) * _FACTOR & _WORD
    found = (found ^ found >> 13) * _FACTOR & _WORD
    return found ^ found >> 15
