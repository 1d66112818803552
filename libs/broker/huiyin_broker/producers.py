"""Idempotent producers: what the log remembers of each, and whether a batch is next, again or out of turn.

Pure rules after Kafka's ProducerStateManager (KIP-98, KIP-360): the last five batches of a producer and partition
are remembered; a batch equal to one of them is a duplicate and answered with the offset it got the first time; any
other must continue the sequence. A producer the log knows nothing of may start anywhere.
"""

from dataclasses import dataclass, field
from typing import Final

from huiyin_broker.batches import Batch

REMEMBERED: Final = 5
_SEQUENCE_MASK: Final = 0x7FFFFFFF


class StaleEpoch(Exception):
    """A newer epoch of this producer has written already."""


class OutOfSequence(Exception):
    """Records are missing before this batch, or it is older than anything remembered."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One batch that is in the log: its sequence range and where it begins."""

    first_sequence: int
    last_sequence: int
    base_offset: int


@dataclass(frozen=True, slots=True)
class ProducerEntry:
    """The memory of one producer in one partition, oldest batch first."""

    epoch: int
    batches: tuple[Remembered, ...] = field(default=())


def duplicate_of(batch: Batch, entry: ProducerEntry | None) -> Remembered | None:
    """Return the batch in the log that this one repeats, or None when it is new.

    Raises StaleEpoch or OutOfSequence when it is neither the next one nor a repetition.
    """
    if entry is None:
        return None
    if batch.producer_epoch < entry.epoch:
        raise StaleEpoch
    if batch.producer_epoch > entry.epoch:
        _check_start(batch)
        return None
    for known in entry.batches:
        if (known.first_sequence, known.last_sequence) == (batch.first_sequence, batch.last_sequence):
            return known
    if entry.batches and batch.first_sequence != _after(entry.batches[-1].last_sequence):
        raise OutOfSequence
    return None


def remember(batch: Batch, entry: ProducerEntry | None, *, base_offset: int) -> ProducerEntry:
    """Return the entry after the batch was appended at `base_offset`."""
    kept = entry.batches if entry is not None and entry.epoch == batch.producer_epoch else ()
    appended = Remembered(batch.first_sequence, batch.last_sequence, base_offset)
    return ProducerEntry(batch.producer_epoch, (*kept, appended)[-REMEMBERED:])


def _check_start(batch: Batch) -> None:
    if batch.first_sequence != 0:
        raise OutOfSequence


def _after(sequence: int) -> int:
    return (sequence + 1) & _SEQUENCE_MASK
