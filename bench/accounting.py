"""What processes have used, from /proc: it holds still when a neighbour makes the rates wobble."""

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final, Self

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")
_BACKEND: Final = re.compile(r"postgres: (?:\S+ )?postgres (\S+) \[local\]")


def tree(pid: int) -> list[int]:
    """Return a process and all its descendants that live now."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(entry)):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = [], [pid]
    while left:
        each = left.pop()
        found.append(each)
        left += children.get(each, [])
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time of processes and their descendants, those that have ended and were waited for included."""
    return sum(_cpu_of(each) for pid in pids for each in tree(pid))


def loop_seconds(pid: int) -> float:
    """Return the CPU time of a process's first thread: in a service, the event loop's."""
    fields = _stat(_PROC / str(pid) / "task" / str(pid))
    return sum(int(each) for each in fields[11:13]) / _TICKS if fields else 0.0


def backend_seconds(postmaster: int) -> dict[str, float]:
    """Return the CPU time of a PostgreSQL server's living backends by database; other processes under an empty name."""
    used: dict[str, float] = {}
    for pid in tree(postmaster):
        with suppress(OSError):
            line = (_PROC / str(pid) / "cmdline").read_text().replace("\0", " ")
            found = _BACKEND.match(line)
            name = found[1] if found else ""
            used[name] = used.get(name, 0.0) + _cpu_of(pid)
    return used


def pss_mib(pids: Iterable[int]) -> float:
    """Return the memory of processes and their descendants, shared pages counted by their share."""
    kibibytes = 0
    for pid in (each for root in pids for each in tree(root)):
        with suppress(OSError):
            text = (_PROC / str(pid) / "smaps_rollup").read_text()
            kibibytes += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return kibibytes / 1024


@dataclass(frozen=True, slots=True)
class Watch:
    """A span of time on this machine: what it used as a whole, and what named processes did."""

    began: float
    busy: float
    used: float
    pids: Sequence[int]

    @classmethod
    def begin(cls, pids: Sequence[int]) -> Self:
        """Begin to watch processes that are ours, this one included in any case."""
        ours = [*pids, os.getpid()]
        return cls(monotonic(), _busy_seconds(), cpu_seconds(_distinct(ours)), ours)

    def others(self) -> float:
        """Return how many cores were busy with work that is not ours since the beginning."""
        mine = cpu_seconds(_distinct(self.pids)) - self.used
        return max(0.0, (_busy_seconds() - self.busy - mine) / max(monotonic() - self.began, 1e-9))


def _distinct(pids: Sequence[int]) -> list[int]:
    """Return the processes that are not descendants of others among them."""
    trees = {pid: set(tree(pid)) for pid in pids}
    return [pid for pid in trees if not any(pid in found for other, found in trees.items() if other != pid)]


def _busy_seconds() -> float:
    first = (_PROC / "stat").read_text().splitlines()[0]
    fields = [int(each) for each in first.split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / _TICKS


def _cpu_of(pid: int) -> float:
    fields = _stat(_PROC / str(pid))
    return sum(int(each) for each in fields[11:15]) / _TICKS if fields else 0.0


def _stat(folder: Path) -> list[str]:
    """Return the fields of a stat file from the state on, none when the process has gone."""
    try:
        return (folder / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []
