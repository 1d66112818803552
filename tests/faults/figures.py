"""Plain figures of one run: what was acknowledged, lost, doubled and put out of order, and how long answers took."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Message, TopicPartition

from tests.faults.history import ACCEPTED, REFUSED, accepted, lines
from tests.faults.stack import Stack, log_ends

_FETCH = 500
_SILENCE_SECONDS = 60


def figures_of(stack: Stack, *, since: datetime) -> dict[str, Any]:
    """Return how posts fared since a moment, and what became of everything that was ever posted to the stack."""
    given = accepted(stack.history.path)
    ids = {each for found in given.values() for each in found}
    stored = Counter(str(row[0]) for row in stack.rows("intake", "SELECT id FROM feedback"))
    decided = {
        str(row[0])
        for row in stack.rows("router", "SELECT feedback_id FROM classification WHERE outcome <> 'pending'")
    }
    log = list(read_log(stack.bootstrap))
    return {
        "acknowledged": len(
            {line["number"] for line in _posts(stack.history.path, since) if _is_taken(line)}
        ),
        "acknowledged_ever": len(given),
        "lost": len(ids - (stored.keys() & decided)),
        "doubled": sum(len(found) > 1 for found in given.values())
        + sum(count > 1 for count in stored.values()),
        "reordered": reordered(log),
        "republished": len(log) - len({(topic, event_id) for topic, _, event_id, _ in log}),
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


def reordered(log: Iterable[tuple[str, str, str, int | None]]) -> int:
    """Return how many events came after a later one of their topic and key; a second delivery does not count."""
    seen: set[tuple[str, str]] = set()
    last: dict[tuple[str, str], int] = {}
    wrong = 0
    for topic, key, event_id, sequence in log:
        if (topic, event_id) in seen or sequence is None:
            continue
        seen.add((topic, event_id))
        wrong += sequence < last.get((topic, key), 0)
        last[topic, key] = max(sequence, last.get((topic, key), 0))
    return wrong


def read_log(bootstrap: str) -> Iterator[tuple[str, str, str, int | None]]:
    """Yield topic, key, event id and sequence of every record, in the order of each partition."""
    ends = {place: end for place, end in log_ends(bootstrap).items() if end}
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "fault-tests", "log_level": 0})
    try:
        reader.assign([TopicPartition(topic, number, 0) for topic, number in ends])
        left = set(ends)
        while left:
            messages = reader.consume(_FETCH, timeout=_SILENCE_SECONDS)
            assert messages, f"the broker gave nothing for {_SILENCE_SECONDS} s"
            for message in messages:
                place = str(message.topic()), int(message.partition() or 0)
                if place in ends and int(message.offset() or 0) >= ends[place] - 1:
                    left.discard(place)
                yield _fact(message)
    finally:
        reader.close()


def _fact(message: Message) -> tuple[str, str, str, int | None]:
    headers = dict(message.headers() or [])
    sequence = _text(headers.get("ce_sequence"))
    return (
        str(message.topic()),
        _text(message.key()),
        _text(headers.get("ce_id")),
        int(sequence) if sequence.isdecimal() else None,
    )


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
