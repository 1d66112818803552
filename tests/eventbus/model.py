"""What a bus is, in memory: an oracle for tests that try random sequences of its operations.

It keeps the promise by being simple: one list per thing, no crash ever. Numbers stand for events; each is given once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from zlib import crc32

PARTITIONS = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """An event: its case, its number, and whether its handler refuses it."""

    number: int
    key: str
    is_poison: bool = False

    @property
    def partition(self) -> int:
        """Return where it goes: its case decides."""
        return crc32(self.key.encode()) % PARTITIONS


@dataclass(frozen=True, slots=True)
class Held:
    """What a member believes of a partition: where it reads on, in which epoch."""

    next_offset: int
    epoch: int


@dataclass(slots=True)
class State:
    """All that can be seen of a bus from outside, as numbers of events in order."""

    outbox: list[int] = field(default_factory=list)
    log: dict[int, list[int]] = field(default_factory=lambda: {number: [] for number in range(PARTITIONS)})
    positions: dict[int, Held] = field(default_factory=dict)
    effects: list[int] = field(default_factory=list)
    dead: set[int] = field(default_factory=set)


class Oracle:
    """The bus that cannot fail."""

    def __init__(self) -> None:
        self.state = State()
        self.samples: dict[int, Sample] = {}
        self._seen: set[int] = set()

    def append(self, samples: Iterable[Sample]) -> None:
        """Note that a transaction with these events has committed."""
        for sample in samples:
            self.samples[sample.number] = sample
            self.state.outbox.append(sample.number)

    def publish(self, count: int) -> None:
        """Note that the first `count` events of the outbox have come into the log."""
        for number in self.state.outbox[:count]:
            self.state.log[self.samples[number].partition].append(number)

    def clear_outbox(self) -> None:
        """Note that the relay has deleted what it published."""
        self.state.outbox.clear()

    def own(self, partitions: Iterable[int]) -> dict[int, Held]:
        """Give partitions to a member and return what it holds of them."""
        for number in partitions:
            stored = self.state.positions.get(number, Held(0, 0))
            self.state.positions[number] = Held(stored.next_offset, stored.epoch + 1)
        return {number: self.state.positions[number] for number in partitions}

    def rewind(self, partition: int, *, to: int) -> None:
        """Set a partition back as an operator would."""
        stored = self.state.positions.get(partition, Held(0, 0))
        self.state.positions[partition] = Held(to, stored.epoch + 1)

    def owns(self, held: Mapping[int, Held]) -> bool:
        """Return whether what a member believes is true."""
        return all(self.state.positions.get(number) == each for number, each in held.items())

    def take(self, batch: Mapping[int, Sequence[int]]) -> None:
        """Note that a batch, given per partition in the order it was read, has committed."""
        for partition, numbers in batch.items():
            held = self.state.positions[partition]
            self.state.positions[partition] = Held(held.next_offset + len(numbers), held.epoch)
            for number in numbers:
                self._take_effect(number)

    def promised(self) -> tuple[set[int], set[int]]:
        """Return what must have taken effect and what must be dead when everything has been read."""
        dead = {number for number, sample in self.samples.items() if sample.is_poison}
        return set(self.samples) - dead, dead

    def is_in_order(self, effects: Iterable[int]) -> bool:
        """Return whether the events of each case took effect in the order they were appended, each once."""
        last: dict[str, int] = {}
        for number in effects:
            key = self.samples[number].key
            if number <= last.get(key, -1):
                return False
            last[key] = number
        return True

    def _take_effect(self, number: int) -> None:
        if number in self._seen:
            return
        self._seen.add(number)
        if self.samples[number].is_poison:
            self.state.dead.add(number)
        else:
            self.state.effects.append(number)
