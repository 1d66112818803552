"""What clients saw of a log, recorded by themselves, and what must be true of it whatever happened to the broker.

Producers write down every send that was acknowledged, consumers every record they were given and every commit that was
acknowledged, each into a file of its own, line by line, outside the broker (`log_clients`). Afterwards the log is read
once more and compared. The checks know nothing of the broker's code.

The idea is Jepsen's: record what clients were told, then look for a log that could have told them so
(github.com/jepsen-io/jepsen, tests of Kafka and Redpanda). Ours is simpler: one topic, values that are never repeated.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A partition and an offset in it."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True, order=True)
class Value:
    """What a record says: whose it is, and its number among those of that producer."""

    producer: str
    number: int

    @classmethod
    def of(cls, payload: bytes) -> "Value":
        """Read a record's value, `name:number`."""
        producer, _, number = payload.decode().rpartition(":")
        return cls(producer, int(number))


@dataclass(frozen=True, slots=True)
class Session:
    """What one consumer was given between two assignments: per partition, in the order it came. Times in ns."""

    group: str
    began_at: int
    reads: Mapping[int, Sequence[tuple[int, Value]]]


@dataclass(frozen=True, slots=True)
class Commit:
    """An acknowledged commit of a group. Time in ns."""

    group: str
    at: int
    partition: int
    next_offset: int


@dataclass(slots=True)
class History:
    """All that clients have recorded, and the log as it was read in the end."""

    sent: list[tuple[Value, Place]] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    log: dict[Place, Value] = field(default_factory=dict)

    def violations(self) -> list[str]:
        """Return one sentence for each thing that must not be; empty when the log kept its word."""
        checks = (
            self._lost(),
            self._doubled(),
            self._reordered(),
            self._holes(),
            self._changed(),
            self._skipped(),
            self._passed_over(),
            self._forgotten_commits(),
        )
        return [each for found in checks for each in found]

    def redelivered(self) -> int:
        """Return how many records groups were given more than once."""
        seen: dict[str, list[Place]] = defaultdict(list)
        for session in self.sessions:
            for partition, reads in session.reads.items():
                seen[session.group] += [Place(partition, offset) for offset, _ in reads]
        return sum(len(places) - len(set(places)) for places in seen.values())

    def _lost(self) -> Iterator[str]:
        for value, place in self.sent:
            if self.log.get(place) != value:
                yield f"lost: {value} was acknowledged at {place}, where {self.log.get(place)} is"

    def _doubled(self) -> Iterator[str]:
        first: dict[Value, Place] = {}
        for place, value in sorted(self.log.items()):
            if value in first:
                yield f"doubled: {value} is at {first[value]} and at {place}"
            first[value] = place

    def _reordered(self) -> Iterator[str]:
        last: dict[tuple[int, str], int] = {}
        for place, value in sorted(self.log.items()):
            key = (place.partition, value.producer)
            if value.number < last.get(key, -1):
                yield f"reordered: {value} at {place} comes after number {last[key]}"
            last[key] = value.number

    def _holes(self) -> Iterator[str]:
        for partition, offsets in _by_partition(self.log).items():
            if offsets != list(range(len(offsets))):
                yield f"hole: partition {partition} has {len(offsets)} records up to offset {offsets[-1]}"

    def _changed(self) -> Iterator[str]:
        for session in self.sessions:
            for partition, reads in session.reads.items():
                for offset, value in reads:
                    now = self.log.get(Place(partition, offset))
                    if now != value:
                        yield f"changed: {session.group} read {value} at {partition}/{offset}, where {now} is"

    def _skipped(self) -> Iterator[str]:
        for session in self.sessions:
            for partition, reads in session.reads.items():
                for (before, _), (after, _) in itertools.pairwise(reads):
                    if after != before + 1:
                        yield f"skipped: {session.group} read {partition}/{after} after {before}"

    def _passed_over(self) -> Iterator[str]:
        """Find records that a group never got although it got later ones."""
        seen: dict[tuple[str, int], set[int]] = defaultdict(set)
        for session in self.sessions:
            for partition, reads in session.reads.items():
                seen[session.group, partition] |= {offset for offset, _ in reads}
        for (group, partition), offsets in seen.items():
            missing = set(range(max(offsets, default=-1) + 1)) - offsets
            if missing:
                yield f"passed over: {group} never read {partition}/{min(missing)} ({len(missing)} in all)"

    def _forgotten_commits(self) -> Iterator[str]:
        for session in self.sessions:
            for partition, reads in session.reads.items():
                known = [
                    each.next_offset
                    for each in self.commits
                    if (each.group, each.partition) == (session.group, partition)
                    and each.at < session.began_at
                ]
                if reads and known and reads[0][0] < max(known):
                    yield (
                        f"forgotten commit: {session.group} began at {partition}/{reads[0][0]},"
                        f" with {max(known)} acknowledged"
                    )


def load_history(folder: Path, *, log: Mapping[Place, Value]) -> History:
    """Return what the clients wrote down in a folder, beside the log as it is."""
    history = History(log=dict(log))
    for path in sorted(folder.glob("*.sent")):
        for line in _lines(path):
            value = Value(path.stem, line["number"])
            history.sent.append((value, Place(line["partition"], line["offset"])))
    for path in sorted(folder.glob("*.read")):
        group = path.stem.rpartition("-")[0]
        lines = _lines(path)
        history.commits += [
            Commit(group, line["at"], int(partition), offset)
            for line in lines
            for partition, offset in line.get("committed", {}).items()
        ]
        history.sessions += _sessions(group, lines)
    return history


def _sessions(group: str, lines: Iterable[Mapping[str, Any]]) -> list[Session]:
    sessions: list[Session] = []
    reads: dict[int, list[tuple[int, Value]]] = {}
    for line in lines:
        if "assigned" in line:
            reads = {}
            sessions.append(Session(group, line["at"], reads))
        elif "read" in line:
            partition, offset, value = line["read"]
            reads.setdefault(partition, []).append((offset, Value.of(value.encode())))
    return sessions


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file; a last one that a killed client left unfinished counts as not written."""
    *whole, _ = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in whole]


def _by_partition(places: Iterable[Place]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for place in sorted(places):
        found[place.partition].append(place.offset)
    return found
