"""What the processes of an installation have used, and what that comes to per feedback."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from bench.accounting import cpu_seconds, loop_seconds
from bench.installations import Installation


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds until a moment: by process for its event loop and as a whole, by service for its database's backends."""

    loops: Mapping[str, float]
    whole: Mapping[str, float]
    backends: Mapping[str, float]
    database: float
    """Of the database server with all its processes; 0 on SQLite, which runs inside the services."""
    broker: float
    """Of a broker with a process of its own."""

    @classmethod
    def now(cls, installed: Installation, processes: Mapping[str, int]) -> Self:
        """Return what named processes and the servers have used until now."""
        return cls(
            {name: loop_seconds(pid) for name, pid in processes.items()},
            {name: cpu_seconds([pid]) for name, pid in processes.items()},
            installed.backend_seconds(),
            installed.database_seconds(),
            installed.broker_seconds(),
        )

    def since(self, before: Self, *, items: int) -> dict[str, float]:
        """Return the CPU µs per item: by process `NAME_loop_us`, `NAME_threads_us` and `NAME_database_us`, then the sums.

        The threads are ours: the classifier's, and on SQLite those that commit. `database_us` is the server's alone.
        """
        each = 1e6 / items
        loops = {name: each * (used - before.loops[name]) for name, used in self.loops.items()}
        threads = {
            name: max(0.0, each * (used - before.whole[name]) - loops[name])
            for name, used in self.whole.items()
        }
        backends = {
            name: each * (self.backends.get(name, 0.0) - before.backends.get(name, 0.0)) for name in loops
        }
        ours = sum(loops.values()) + sum(threads.values())
        database = each * (self.database - before.database)
        broker = each * (self.broker - before.broker)
        return {
            **{f"{name}_loop_us": cost for name, cost in loops.items()},
            **{f"{name}_threads_us": cost for name, cost in threads.items()},
            **{f"{name}_database_us": cost for name, cost in backends.items()},
            "ours_us": ours,
            "database_us": database,
            "broker_us": broker,
            "cpu_us": ours + database + broker,
        }
