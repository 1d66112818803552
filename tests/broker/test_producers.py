import pytest

from huiyin_broker.batches import Batch
from huiyin_broker.producers import (
    REMEMBERED,
    OutOfSequence,
    ProducerEntry,
    StaleEpoch,
    duplicate_of,
    remember,
)

LAST_SEQUENCE = 2**31 - 1


def batch(first: int, *, count: int = 10, epoch: int = 0) -> Batch:
    return Batch(b"", count, 0, 1, epoch, first)


def after(*batches: Batch) -> ProducerEntry | None:
    entry, offset = None, 100
    for each in batches:
        entry = remember(each, entry, base_offset=offset)
        offset += each.count
    return entry


def test_an_unknown_producer_may_start_anywhere() -> None:
    assert duplicate_of(batch(500), None) is None


def test_the_next_batch_is_new() -> None:
    assert duplicate_of(batch(10), after(batch(0))) is None


def test_a_repeated_batch_tells_where_it_is() -> None:
    earlier = duplicate_of(batch(10), after(batch(0), batch(10), batch(20)))

    assert earlier is not None
    assert earlier.base_offset == 110


def test_five_batches_are_remembered() -> None:
    entry = after(*[batch(first) for first in range(0, 70, 10)])

    assert entry is not None
    assert len(entry.batches) == REMEMBERED
    assert duplicate_of(batch(20), entry) is not None
    with pytest.raises(OutOfSequence):
        duplicate_of(batch(10), entry)


def test_a_gap_is_out_of_sequence() -> None:
    with pytest.raises(OutOfSequence):
        duplicate_of(batch(11), after(batch(0)))


def test_the_same_start_with_another_length_is_out_of_sequence() -> None:
    with pytest.raises(OutOfSequence):
        duplicate_of(batch(0, count=9), after(batch(0)))


def test_the_sequence_goes_on_at_zero_after_the_last() -> None:
    entry = after(batch(LAST_SEQUENCE - 9))

    assert duplicate_of(batch(0), entry) is None


def test_an_older_epoch_is_stale() -> None:
    with pytest.raises(StaleEpoch):
        duplicate_of(batch(10, epoch=1), after(batch(0, epoch=2)))


def test_a_newer_epoch_starts_at_zero_and_forgets_the_older() -> None:
    entry = after(batch(0), batch(10))

    assert duplicate_of(batch(0, epoch=1), entry) is None
    with pytest.raises(OutOfSequence):
        duplicate_of(batch(20, epoch=1), entry)
    assert len(remember(batch(0, epoch=1), entry, base_offset=9).batches) == 1
