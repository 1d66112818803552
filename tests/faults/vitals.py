"""What a suite takes while it runs: memory, open files and what waits, written down every few seconds, judged at the end."""

import json
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil
from confluent_kafka import KafkaException

from tests.faults.stack import Stack

_EVERY_SECONDS: Final = 5
_LAG_EVERY: Final = 6
_SETTLED_SECONDS: Final = 300
_MEGABYTE: Final = 1024 * 1024
_HOUR: Final = 3600
_SHORTEST_SECONDS: Final = 1200

Sample = dict[str, Any]


class Vitals:
    """Writes down samples of every process of a suite from `start` to `finish`."""

    def __init__(self, stack: Stack) -> None:
        self.path = stack.folder / "vitals.jsonl"
        self._stack = stack
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="vitals", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self) -> None:
        """End."""
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        with self.path.open("a", buffering=1) as file:
            turn = 0
            while not self._stopping.wait(_EVERY_SECONDS):
                turn += 1
                samples = [*self._samples(), *(self._lag() if turn % _LAG_EVERY == 0 else ())]
                file.writelines(json.dumps(sample) + "\n" for sample in samples)

    def _lag(self) -> Iterator[Sample]:
        # Asked while faults are under way, too: what cannot be asked now is asked again.
        with suppress(KafkaException, sqlite3.Error, RuntimeError, OSError):
            waiting = sum(self._stack.waiting().values())
            yield {"at": time.monotonic(), "process": "suite", "pid": 0, "waiting": waiting}

    def _samples(self) -> Iterator[Sample]:
        for name, process in list(self._stack.processes.items()):
            if not process.is_alive:
                continue
            with suppress(psutil.Error):
                seen = psutil.Process(process.pid)
                yield {
                    "at": time.monotonic(),
                    "process": name,
                    "pid": seen.pid,
                    "megabytes": round(seen.memory_info().rss / _MEGABYTE, 2),
                    "files": seen.num_fds(),
                }


def trends(path: Path) -> dict[str, float]:
    """Return how fast memory (megabytes an hour), open files and what waits (an hour) grow: the steepest of all processes.

    Counted over each life of a process by itself, without its first five minutes, if it went on for twenty more; what
    warms up is no leak.
    """
    lives = defaultdict[tuple[str, int], list[Sample]](list)
    for line in path.read_text(encoding="utf-8").splitlines():
        sample = json.loads(line)
        lives[sample["process"], sample["pid"]].append(sample)
    settled = [list(_settled(life)) for life in lives.values()]
    found: dict[str, float] = {}
    for what in ("megabytes", "files", "waiting"):
        long = [life for life in settled if life and what in life[0] and _seconds(life) >= _SHORTEST_SECONDS]
        slopes = [slope([(each["at"], each[what]) for each in life]) for life in long]
        if slopes:
            found[f"{what}_per_hour"] = round(max(slopes) * _HOUR, 2)
    return found


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the median slope between points of the first and the second half: one burst does not tilt it.

    Theil (1950), with each point paired once, with the one half the series later.
    """
    middle = len(points) // 2
    pairs = zip(points[:middle], points[-middle:], strict=True)
    return median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairs)


def _settled(life: Sequence[Sample]) -> Iterator[Sample]:
    for sample in life:
        if sample["at"] - life[0]["at"] > _SETTLED_SECONDS:
            yield sample


def _seconds(life: Sequence[Sample]) -> float:
    return float(life[-1]["at"] - life[0]["at"])
