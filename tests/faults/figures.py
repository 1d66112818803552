"""Plain figures of one run: what was acknowledged, lost, doubled and put out of order, and how long answers took."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.faults.counter.log import Record, read_log
from tests.faults.history import ACCEPTED, REFUSED, accepted, lines
from tests.faults.stack import Stack


def figures_of(stack: Stack, *, since: datetime) -> dict[str, Any]:
    """Return how posts fared since a moment, and what became of everything that was ever posted to the stack."""
    given = accepted(stack.history.path)
    ids = {each for found in given.values() for each in found}
    stored = Counter(str(row[0]) for row in stack.rows("intake", "SELECT id FROM feedback"))
    decided = {
        str(row[0])
        for row in stack.rows("router", "SELECT feedback_id FROM classification WHERE outcome <> 'pending'")
    }
    log = read_log(stack.bootstrap).records
    return {
        "acknowledged": len(
            {line["number"] for line in _posts(stack.history.path, since) if _is_taken(line)}
        ),
        "acknowledged_ever": len(given),
        "lost": len(ids - (stored.keys() & decided)),
        "doubled": sum(len(found) > 1 for found in given.values())
        + sum(count > 1 for count in stored.values()),
        "reordered": reordered(log),
        "republished": len(log) - len({_event(record) for record in log}),
        "events": len(log),
        **answer_times(_posts(stack.history.path, since)),
    }


def answer_times(posts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how posts were answered: p50 and p99 of the 202s in milliseconds, and how many posts failed how."""
    posts = list(posts)
    taken = sorted(line["seconds"] * 1000 for line in posts if _is_taken(line))
    failed = Counter(
        str(line["status"] or line["error"]) for line in posts if line["status"] not in {ACCEPTED, REFUSED}
    )
    return {
        "accept_p50_ms": percentile(taken, 50),
        "accept_p99_ms": percentile(taken, 99),
        "not_accepted": dict(failed),
    }


def _posts(history: Path, since: datetime) -> Iterator[dict[str, Any]]:
    return (line for line in lines(history, "post") if datetime.fromisoformat(line["at"]) >= since)


def _is_taken(line: Mapping[str, Any]) -> bool:
    return bool(line["status"] == ACCEPTED)


def percentile(ordered: list[float], share: float) -> float | None:
    """Return the smallest value that `share` percent do not exceed (nearest rank), None of nothing."""
    if not ordered:
        return None
    return round(ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)], 1)


def reordered(log: Iterable[Record]) -> int:
    """Return how many events came after a later one of their topic and key; a second delivery does not count."""
    seen: set[tuple[str, str]] = set()
    last: dict[tuple[str, str], int] = {}
    wrong = 0
    for record in log:
        event, case, sequence = _event(record), (record.topic, record.case), _sequence(record)
        if event in seen or sequence is None:
            continue
        seen.add(event)
        wrong += sequence < last.get(case, 0)
        last[case] = max(sequence, last.get(case, 0))
    return wrong


def _event(record: Record) -> tuple[str, str]:
    """Return what makes an event one, whichever time it was delivered."""
    return record.topic, record.named.get("ce_id", "")


def _sequence(record: Record) -> int | None:
    """Return an event's number within topic and key, None of a record that tells none, as poison may."""
    told = record.named.get("ce_sequence", "")
    return int(told) if told.isdecimal() else None
