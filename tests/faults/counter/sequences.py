"""I5 and I9: the order of each case in the log, and ids that appear twice."""

from collections import defaultdict
from typing import Final

from tests.faults.counter.evidence import Evidence
from tests.faults.counter.log import Record

_TOLD_AGAIN: Final = frozenset({"sla.breached", "sla.warned"})
"""Topics with computed ids: a breach that was retracted may come again as the same fact with a number of its own."""


def order_violations(evidence: Evidence) -> list[str]:
    """Return cases whose events are not numbered 1, 2, 3, … in the order of the log, in one partition.

    A record that was there before, id and number alike, is a republish and no step back.
    """
    by_case = defaultdict[tuple[str, str], list[Record]](list)
    for record in evidence.log.records:
        by_case[record.topic, record.case].append(record)
    return [found for case, records in by_case.items() for found in _case_violations(case, records)]


def _case_violations(case: tuple[str, str], records: list[Record]) -> list[str]:
    name = " ".join(case)
    partitions = {record.partition for record in records}
    if len(partitions) > 1:
        return [f"{name} is in partitions {sorted(partitions)}"]
    last, known = 0, dict[int, str]()
    for record in records:
        if known.setdefault(record.sequence, record.id) != record.id:
            return [f"{name} has two events with number {record.sequence}"]
        if record.sequence > last + 1:
            return [f"{name} has {record.sequence} after {last}: a gap, or events out of order"]
        last = max(last, record.sequence)
    return []


def repetition_violations(evidence: Evidence) -> list[str]:
    """Return ids that stand twice in a topic and are not the same event published or delivered again."""
    first: dict[tuple[str, str], Record] = {}
    found = []
    for record in evidence.log.records:
        known = first.setdefault((record.topic, record.id), record)
        if known is record or _is_same(known, record):
            continue
        if record.topic not in _TOLD_AGAIN or known.sequence == record.sequence:
            found.append(f"{record.topic} {record.id} stands in the log with two contents")
    return found


def republished(evidence: Evidence) -> int:
    """Return how many records are there again, without those that a scenario copied itself."""
    seen: set[tuple[str, str, int]] = set()
    again = 0
    for record in evidence.log.records:
        name = (record.topic, record.id, record.sequence)
        again += name in seen and record.place not in evidence.copies
        seen.add(name)
    return again


def _is_same(one: Record, other: Record) -> bool:
    return (one.key, one.value, one.headers) == (other.key, other.value, other.headers)
