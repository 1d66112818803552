"""Fetch answers written without kio: the one message that is both frequent and long.

A service that reads nine topics asks for a hundred partitions whenever one record is committed; kio, which checks every
value of every field, takes a millisecond for the answer and this a tenth of that. A test holds both to the same bytes. The
layouts are those of Kafka's FetchResponse.json; versions from 12 on (the "flexible" ones) are left to kio.
"""

import struct
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from huiyin_broker.protocol import Head, Values, encode_response

_FIRST_FLEXIBLE: Final = 12
_WITH_LOG_START, _WITH_SESSION, _WITH_PREFERRED_REPLICA = 5, 7, 11
_NONE: Final = -1
_TOPIC: Final = struct.Struct(">h")
_COUNT: Final = struct.Struct(">i")
_LENGTH: Final = struct.Struct(">i")


def encode_fetch(head: Head, values: Values) -> bytes:
    """Return the whole frame of a Fetch answer, length included."""
    if head.version >= _FIRST_FLEXIBLE:
        return encode_response(head, values)
    pieces = [_beginning(head, values), _COUNT.pack(len(values["responses"]))]
    for topic in values["responses"]:
        name = topic["topic"].encode()
        pieces += (_TOPIC.pack(len(name)), name, _COUNT.pack(len(topic["partitions"])))
        for part in topic["partitions"]:
            pieces += (_partition(part, head.version), part["records"])
    body = b"".join(pieces)
    return _LENGTH.pack(len(body)) + body


def _beginning(head: Head, values: Values) -> bytes:
    no_delay = 0
    if head.version < _WITH_SESSION:
        return struct.pack(">ii", head.correlation_id, no_delay)
    error, session = int(values["error_code"]), values["session_id"]
    return struct.pack(">iihi", head.correlation_id, no_delay, error, session)


def _partition(part: Mapping[str, Any], version: int) -> bytes:
    """Return what stands before the records of a partition: no aborted transactions, no preferred replica."""
    numbers = [
        part["partition_index"],
        int(part["error_code"]),
        part["high_watermark"],
        part["last_stable_offset"],
    ]
    if version >= _WITH_LOG_START:
        numbers.append(part["log_start_offset"])
    numbers.append(_NONE)
    if version >= _WITH_PREFERRED_REPLICA:
        numbers.append(_NONE)
    return _layout(version).pack(*numbers, len(part["records"]))


@cache
def _layout(version: int) -> struct.Struct:
    log_start = "q" if version >= _WITH_LOG_START else ""
    preferred_replica = "i" if version >= _WITH_PREFERRED_REPLICA else ""
    return struct.Struct(f">ihqq{log_start}i{preferred_replica}i")
