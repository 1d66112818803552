"""Outbox rows as record batches: the partitions Kafka's own clients choose, order kept, nothing left out."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2 as reference
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import given
from hypothesis import strategies as st

from huiyin_eventbus import headers
from huiyin_eventbus.packing import Pack, murmur2, pack, partition_of

KIB = 1024


class Row:
    """What of an outbox row is packed."""

    def __init__(self, number: int, *, key: str = "case", topic: str = "one", size: int = 10) -> None:
        self.topic, self.key = topic, key
        self.headers = headers.to_text([("ce_id", str(number).encode())])
        self.payload = b"x" * size


@pytest.fixture
async def producer() -> AsyncIterator[AIOKafkaProducer]:
    """Give a producer of batches of 64 KiB; it need not be connected to pack."""
    producer = AIOKafkaProducer(max_batch_size=64 * KIB)
    yield producer
    await producer.stop()


def packed(producer: AIOKafkaProducer, rows: list[Any], *, partitions: int = 12) -> list[Pack]:
    return pack(producer, rows, partitions={"one": partitions, "two": partitions})


def numbers(each: Pack) -> list[int]:
    records = DefaultRecordBatch(bytes(each.batch._build()))
    return [int(record.headers[0][1] or b"") for record in records]


@given(st.binary(max_size=100))
def test_keys_are_hashed_as_kafka_hashes_them(key: bytes) -> None:
    assert murmur2(key) == reference(key)


@pytest.mark.parametrize(
    ("key", "hashed"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_hashes_are_those_of_kafkas_own_tests(key: bytes, hashed: int) -> None:
    # Those that Kafka's own UtilsTest has.
    assert murmur2(key) == hashed & 0xFFFFFFFF


def test_a_negative_hash_names_a_partition_too() -> None:
    assert partition_of(b"21", 12) == (-973932308 & 0x7FFFFFFF) % 12


async def test_rows_of_one_partition_are_one_batch_in_order(producer: AIOKafkaProducer) -> None:
    packs = packed(producer, [Row(number) for number in range(50)])

    assert [numbers(each) for each in packs] == [list(range(50))]


async def test_each_key_goes_to_its_partition_on_its_topic(producer: AIOKafkaProducer) -> None:
    rows = [Row(n, key=str(uuid4()), topic=topic) for n, topic in enumerate(["one", "two"] * 50)]

    packs = packed(producer, rows)

    wanted: dict[tuple[str, int], list[int]] = {}
    for number, row in enumerate(rows):
        place = (row.topic, partition_of(row.key.encode(), 12))
        wanted.setdefault(place, []).append(number)
    assert {(each.topic, each.partition): numbers(each) for each in packs} == wanted


async def test_rows_too_many_for_one_batch_go_on_in_another(producer: AIOKafkaProducer) -> None:
    packs = packed(producer, [Row(number, size=20 * KIB) for number in range(10)])

    assert max(each.batch.size() for each in packs) <= 64 * KIB
    assert len(packs) > 1
    assert [number for each in packs for number in numbers(each)] == list(range(10))


async def test_a_row_larger_than_a_batch_has_one_to_itself(producer: AIOKafkaProducer) -> None:
    packs = packed(producer, [Row(0), Row(1, size=900 * KIB), Row(2)])

    assert [numbers(each) for each in packs] == [[0], [1], [2]]
