"""Record batches, magic 2: check them, read their header, give them their place in the log.

The layout is Kafka's (org.apache.kafka.common.record.DefaultRecordBatch): a fixed header of 61 bytes, then records
that the broker never opens. The checksum (CRC-32C) covers everything after itself, so the base offset and the
leader epoch before it can be rewritten without touching it.
"""

import struct
from dataclasses import dataclass

from crc32c import crc32c

_HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_SIZE = _HEADER.size
_PREFIX = struct.Struct(">qi")
_PLACE = struct.Struct(">q")
_EPOCH = struct.Struct(">i")
_CHECKED_FROM = 21
_MAGIC = 2
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
NO_PRODUCER = -1


class BatchRefused(ValueError):
    """Bytes that are not one whole, sound record batch of magic 2."""


class UnsupportedMagic(BatchRefused):
    """A record format older than Kafka 0.11."""


class TransactionalBatch(BatchRefused):
    """A batch that belongs to a transaction, or a control batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch as a producer sent it: its bytes and the header fields the broker acts on. Times in ms."""

    payload: bytes
    count: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    first_sequence: int

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last record; it wraps after 2^31 - 1."""
        return (self.first_sequence + self.count - 1) & 0x7FFFFFFF


def parse_batch(records: bytes | None) -> Batch:
    """Return the one batch in the records of a Produce request. Raises BatchRefused when it is not sound."""
    if records is None or len(records) < HEADER_SIZE:
        raise BatchRefused("truncated batch")
    fields = _HEADER.unpack_from(records)
    _, length, _, magic, crc, attributes, last_delta, _, max_timestamp, producer, epoch, sequence, count = (
        fields
    )
    if magic != _MAGIC:
        raise UnsupportedMagic(f"record format {magic}")
    if length != len(records) - _PREFIX.size:
        raise BatchRefused("not exactly one batch")
    if crc32c(memoryview(records)[_CHECKED_FROM:]) != crc:
        raise BatchRefused("checksum mismatch")
    if count < 1 or last_delta != count - 1:
        raise BatchRefused("record count and offset delta disagree")
    if attributes & (_TRANSACTIONAL | _CONTROL):
        raise TransactionalBatch("transactional or control batch")
    if producer != NO_PRODUCER and (epoch < 0 or sequence < 0):
        raise BatchRefused("idempotent batch without epoch or sequence")
    return Batch(records, count, max_timestamp, producer, epoch, sequence)


def placed(payload: bytes, base_offset: int) -> bytes:
    """Return the batch with its offset in the log and leader epoch 0; the checksum stays valid."""
    return b"".join((_PLACE.pack(base_offset), payload[8:12], _EPOCH.pack(0), payload[16:]))
