"""Fetch answers have the bytes that kio would give them, in every version."""

import pytest
from kio.schema.errors import ErrorCode

from huiyin_broker.fetch_frames import encode_fetch
from huiyin_broker.protocol import Head, Values, encode_response
from tests.broker.wire import record_batch


def partition(number: int, **changes: object) -> Values:
    return {
        "partition_index": number,
        "error_code": ErrorCode.none,
        "high_watermark": 2**40,
        "last_stable_offset": 2**40,
        "log_start_offset": 7,
        "aborted_transactions": None,
        "records": b"",
    } | changes


def answer(*topics: Values, error: ErrorCode = ErrorCode.none) -> Values:
    return {"error_code": error, "session_id": 0, "responses": topics}


ANSWERS = {
    "nothing": answer(),
    "a declined session": answer(error=ErrorCode.fetch_session_id_not_found),
    "no partitions": answer({"topic": "t", "partitions": []}),
    "an error": answer(
        {
            "topic": "t",
            "partitions": [
                partition(0, error_code=ErrorCode.offset_out_of_range, high_watermark=-1, log_start_offset=-1)
            ],
        }
    ),
    "records": answer(
        {"topic": "t.one", "partitions": [partition(0, records=record_batch(b"x")), partition(1)]},
        {"topic": "t.two", "partitions": [partition(11, records=record_batch(b"y" * 5000))]},
    ),
}


@pytest.mark.parametrize("version", range(4, 13))
@pytest.mark.parametrize("values", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_has_the_bytes_that_kio_gives_it(values: Values, version: int) -> None:
    head = Head(1, version, 123456)

    assert encode_fetch(head, values) == encode_response(head, values)
