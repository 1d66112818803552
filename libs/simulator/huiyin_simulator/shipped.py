"""The feedback that ships with the package: real texts under clear licences and scenarios of our own.

The files in `feedback/` hold no times: a row stands on its own, or follows the row before it (a re-sent text,
a second message, a channel's repetition) after so many seconds. Times, and so the order in which the origins
mix, come from the seed. This is for demonstrations and as a gold set, not for measuring throughput: for that
stream a file.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import as_file, files
from typing import Any
from zoneinfo import ZoneInfo

from huiyin_simulator.errors import BadRow
from huiyin_simulator.rows import Row, as_post, kind_of, parse_fields, stream_objects, stream_rows

__all__ = ["BadRow", "Row", "as_post", "kind_of", "shipped_feedback", "stream_rows"]

ORIGINS = ("scenarios.jsonl", "asap.jsonl.gz", "cfpb.jsonl.gz", "banking77.jsonl.gz")
WINDOW = timedelta(days=7)
DEFAULT_END = datetime(2026, 11, 21, 16, tzinfo=UTC)

_ZONE = ZoneInfo("Asia/Shanghai")
# Customers write little at night, most before noon and after dinner; relative weights of the hours 0 to 23.
_HOUR_WEIGHTS = (2, 1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 9, 8, 7, 8, 8, 8, 7, 8, 9, 10, 9, 7, 4)

Thread = tuple[tuple[timedelta, Row], ...]
"""One row or several that belong together, each with its delay after the first."""


def shipped_feedback(seed: int, limit: int | None = None, *, ends_at: datetime = DEFAULT_END) -> list[Row]:
    """Return the shipped rows in the order in which channels deliver them, the same for the same arguments.

    They arrive within the seven days before `ends_at`, by the rhythm of a Chinese day. `limit` keeps so many
    rows, drawn from all origins. A re-delivered row has the time of its first delivery, as a channel repeats
    it unchanged, but stands where it arrives.
    """
    rng = random.Random(seed)  # noqa: S311 - a repeatable order, not a secret
    threads = list(_threads())
    rng.shuffle(threads)
    arrivals = [
        arrival for thread in _first(threads, limit) for arrival in _placed(thread, rng, ends_at=ends_at)
    ]
    return [row for _, row in sorted(arrivals, key=lambda arrival: (arrival[0], arrival[1].external_id))]


def _first(threads: list[Thread], limit: int | None) -> Iterator[Thread]:
    left = sum(len(thread) for thread in threads) if limit is None else limit
    for thread in threads:
        if left <= 0:
            return
        yield thread[:left]
        left -= len(thread)


def _placed(thread: Thread, rng: random.Random, *, ends_at: datetime) -> Iterator[tuple[datetime, Row]]:
    latest = ends_at - max(delay for delay, _ in thread)
    starts_at = _moment(rng, ends_at=ends_at)
    while starts_at > latest:
        starts_at -= timedelta(days=1)
    for delay, row in thread:
        arrives_at = starts_at + delay
        yield arrives_at, replace(row, received_at=starts_at if row.redelivery else arrives_at)


def _moment(rng: random.Random, *, ends_at: datetime) -> datetime:
    midnight = ends_at.astimezone(_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    day = timedelta(days=rng.randrange(WINDOW.days))
    hour = timedelta(hours=rng.choices(range(24), weights=_HOUR_WEIGHTS)[0])
    return midnight - WINDOW + day + hour + timedelta(seconds=rng.randrange(3600))


@cache
def _threads() -> tuple[Thread, ...]:
    threads: list[Thread] = []
    for origin in ORIGINS:
        for delay, row in _rows_of(origin):
            if delay:
                threads[-1] = (*threads[-1], (delay, row))
            else:
                threads.append(((delay, row),))
    return tuple(threads)


def _rows_of(origin: str) -> Iterator[tuple[timedelta, Row]]:
    with as_file(files("huiyin_simulator") / "feedback" / origin) as path:
        for line, value in stream_objects(path):
            yield _delay(value, line=line), Row(received_at=DEFAULT_END, **parse_fields(value, line=line))


def _delay(value: dict[str, Any], *, line: int) -> timedelta:
    seconds = value.get("after_seconds", 0)
    if not isinstance(seconds, int) or seconds < 0:
        raise BadRow(line, "after_seconds is not a whole number of seconds")
    return timedelta(seconds=seconds)
