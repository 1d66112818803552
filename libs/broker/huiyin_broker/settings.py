"""How a broker is set up. Plain values: reading an environment is left to the program that embeds it."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

MEBIBYTE = 1024 * 1024
GROUP_INITIAL_DELAY = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """One broker: where its log is, where it listens, what it keeps and what it refuses.

    `partitions` is the number of partitions of a topic made on first use. `port` 0 takes any free port.
    A `password` turns SASL/PLAIN on for the user "huiyin". `retention` and `retention_bytes` hold for topics that
    say nothing themselves; bytes count per partition. Below `min_free_bytes` of free disk nothing more is appended,
    reading goes on. `group_initial_delay` is how long the first member of an empty group waits for others.
    """

    path: Path
    host: str = "127.0.0.1"
    port: int = 9092
    partitions: int = 12
    password: str | None = None
    retention: timedelta | None = timedelta(days=400)
    retention_bytes: int | None = None
    retention_check: timedelta = timedelta(minutes=5)
    min_free_bytes: int = 64 * MEBIBYTE
    max_batch_bytes: int = MEBIBYTE + 12 * 1024
    max_request_bytes: int = 16 * MEBIBYTE
    max_connections: int = 512
    max_partitions: int = 10_000
    tail_cache_bytes: int = 8 * MEBIBYTE
    group_initial_delay: timedelta = GROUP_INITIAL_DELAY
    drain: timedelta = timedelta(seconds=5)
