import struct

import pytest

from huiyin_broker.batches import BatchRefused, TransactionalBatch, UnsupportedMagic, parse_batch, placed
from tests.broker.wire import record_batch


def test_a_sound_batch_tells_its_header() -> None:
    batch = parse_batch(
        record_batch(b"a", b"b", b"c", producer_id=7, epoch=2, sequence=10, timestamp_ms=5000)
    )

    assert (batch.count, batch.producer_id, batch.producer_epoch) == (3, 7, 2)
    assert (batch.first_sequence, batch.last_sequence) == (10, 12)
    assert batch.max_timestamp == 5002


def test_sequences_wrap_after_two_to_the_31() -> None:
    batch = parse_batch(record_batch(b"a", b"b", producer_id=7, epoch=0, sequence=2**31 - 1))

    assert batch.last_sequence == 0


@pytest.mark.parametrize("position", [21, 40, 62, -1])
def test_one_flipped_bit_is_refused(position: int) -> None:
    damaged = bytearray(record_batch(b"important"))
    damaged[position] ^= 1

    with pytest.raises(BatchRefused, match="checksum"):
        parse_batch(bytes(damaged))


@pytest.mark.parametrize("length", [0, 10, 60, 70])
def test_a_cut_batch_is_refused(length: int) -> None:
    with pytest.raises(BatchRefused):
        parse_batch(record_batch(b"important")[:length])


def test_nothing_is_refused() -> None:
    with pytest.raises(BatchRefused):
        parse_batch(None)


def test_two_batches_in_one_are_refused() -> None:
    with pytest.raises(BatchRefused, match="exactly one"):
        parse_batch(record_batch(b"a") + record_batch(b"b"))


@pytest.mark.parametrize("magic", [0, 1, 3])
def test_other_record_formats_are_refused(magic: int) -> None:
    old = bytearray(record_batch(b"a"))
    old[16] = magic

    with pytest.raises(UnsupportedMagic):
        parse_batch(bytes(old))


def test_a_transactional_batch_is_refused() -> None:
    with pytest.raises(TransactionalBatch):
        parse_batch(record_batch(b"a", producer_id=1, epoch=0, sequence=0, transactional=True))


def test_a_producer_without_a_sequence_is_refused() -> None:
    with pytest.raises(BatchRefused, match="sequence"):
        parse_batch(record_batch(b"a", producer_id=1, epoch=0, sequence=-1))


def test_placing_a_batch_keeps_its_checksum() -> None:
    moved = placed(record_batch(b"a", b"b"), 4711)

    assert struct.unpack_from(">q", moved) == (4711,)
    assert parse_batch(moved).count == 2
