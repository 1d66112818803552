import gzip

import pytest

from huiyin_broker.batches import placed
from huiyin_broker.records import first_stamped_from
from tests.broker.wire import record_batch

GZIP, SNAPPY = 1, 2
BASE = 1000


def stored(*, compression: int = 0) -> bytes:
    """Ten records from offset 1000 on, a millisecond apart from 5000 on, the third larger than a varint byte."""
    values = [b"a", b"b", b"c" * 300, *[b"d"] * 7]
    return placed(record_batch(*values, timestamp_ms=5000, compression=compression), BASE)


@pytest.mark.parametrize("compression", [0, GZIP])
@pytest.mark.parametrize(("wanted", "found"), [(0, 0), (5000, 0), (5004, 4), (5009, 9)])
def test_the_first_record_from_a_time_on_is_found(compression: int, wanted: int, found: int) -> None:
    payload = stored(compression=compression)

    assert first_stamped_from(payload, timestamp_ms=wanted) == (BASE + found, 5000 + found)


def test_a_codec_that_is_not_opened_answers_the_start_of_the_batch() -> None:
    payload = bytearray(stored())
    payload[22] |= SNAPPY

    assert first_stamped_from(bytes(payload), timestamp_ms=5004) == (BASE, 5009)


def test_damaged_records_answer_the_start_of_the_batch() -> None:
    payload = stored()[:62] + b"\xff" * 20

    assert first_stamped_from(payload, timestamp_ms=5004) == (BASE, 5009)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"\x0c"])
def test_a_gzip_bomb_is_opened_only_so_far(filling: bytes) -> None:
    bomb = stored()[:61] + gzip.compress(filling * 20_000_000, compresslevel=1)
    opened = bytearray(bomb)
    opened[22] |= GZIP

    assert first_stamped_from(bytes(opened), timestamp_ms=10**15)[0] == BASE
