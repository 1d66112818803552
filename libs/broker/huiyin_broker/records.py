"""Finding a record by time inside a batch, the one case in which the broker opens a batch.

Records (org.apache.kafka.common.record.DefaultRecord) are varint-coded. Uncompressed and gzip batches are opened;
for the other codecs the start of the batch is answered, so a reader that seeks by time may get a few earlier
records, never miss one.
"""

import struct
import zlib
from collections.abc import Iterator

from huiyin_broker.batches import HEADER_SIZE

_BASE_OFFSET = struct.Struct(">q")
_ATTRIBUTES = struct.Struct(">h")
_STAMPS = struct.Struct(">qq")
_ATTRIBUTES_AT, _STAMPS_AT = 21, 27
_CODEC_MASK, _NONE, _GZIP = 0x07, 0, 1
_LARGEST_OPENED = 8 * 1024 * 1024
_SMALLEST_RECORD = 6
_LONGEST_VARINT = 10


def first_stamped_from(payload: bytes, *, timestamp_ms: int) -> tuple[int, int]:
    """Return (offset, timestamp) of the first record in the batch stamped at or after the time.

    Answers the start of the batch with its highest timestamp when the batch cannot be opened.
    """
    (base_offset,) = _BASE_OFFSET.unpack_from(payload)
    first_stamp, max_stamp = _STAMPS.unpack_from(payload, _STAMPS_AT)
    try:
        for stamp_delta, offset_delta in _deltas(_opened(payload)):
            if first_stamp + stamp_delta >= timestamp_ms:
                return base_offset + offset_delta, first_stamp + stamp_delta
    except (IndexError, OSError, EOFError, zlib.error, ValueError):
        pass
    return base_offset, max_stamp


def _opened(payload: bytes) -> bytes:
    (attributes,) = _ATTRIBUTES.unpack_from(payload, _ATTRIBUTES_AT)
    codec = attributes & _CODEC_MASK
    if codec == _NONE:
        return payload[HEADER_SIZE:]
    if codec != _GZIP:
        raise ValueError("codec is not opened")
    return zlib.decompressobj(31).decompress(payload[HEADER_SIZE:], _LARGEST_OPENED)


def _deltas(records: bytes) -> Iterator[tuple[int, int]]:
    position = 0
    while position < len(records):
        length, start = _varint(records, position)
        if length < _SMALLEST_RECORD:
            raise ValueError("record too small")
        stamp_delta, after_stamp = _varint(records, start + 1)
        offset_delta, _ = _varint(records, after_stamp)
        yield stamp_delta, offset_delta
        position = start + length


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    """Read a zig-zag varint; return it and the position after it."""
    value = 0
    for index in range(_LONGEST_VARINT):
        byte = buffer[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), position + index + 1
    raise ValueError("varint too long")
