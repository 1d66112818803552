"""Topic configs as far as they mean something here: how long and how much is kept.

Others that tools and libraries send by habit are accepted and ignored when they cannot change what readers see;
`cleanup.policy=compact` is one of them, because the log is never compacted. Unknown names are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from huiyin_broker.settings import BrokerSettings

RETENTION_MS: Final = "retention.ms"
RETENTION_BYTES: Final = "retention.bytes"
_KEPT: Final = frozenset({RETENTION_MS, RETENTION_BYTES})
_FOR_EVER_MS: Final = 1000 * 365 * 24 * 3_600_000
"""A thousand years: people write the largest number there is when they mean no limit."""
_IGNORED: Final = frozenset(
    {
        "cleanup.policy",
        "compression.type",
        "delete.retention.ms",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "index.interval.bytes",
        "max.compaction.lag.ms",
        "max.message.bytes",
        "message.timestamp.type",
        "min.cleanable.dirty.ratio",
        "min.compaction.lag.ms",
        "min.insync.replicas",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    }
)


class UnknownConfig(ValueError):
    """A name that no topic config has, or a value that does not fit."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a topic keeps: None is without limit. Bytes count per partition."""

    age: timedelta | None
    size_bytes: int | None


def checked_configs(given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the configs worth storing. Raises UnknownConfig."""
    for name, value in given.items():
        if name not in _KEPT | _IGNORED:
            raise UnknownConfig(f"unknown topic config {name}")
        if name in _KEPT and not _is_limit(value):
            raise UnknownConfig(f"{name} must be a whole number, -1 for no limit")
    return {name: str(value) for name, value in given.items() if name in _KEPT and value is not None}


def kept_by(configs: Mapping[str, str], settings: BrokerSettings) -> Kept:
    """Return what a topic with these configs keeps, the broker's own limits where it says nothing."""
    age, size = settings.retention, settings.retention_bytes
    if RETENTION_MS in configs:
        milliseconds = int(configs[RETENTION_MS])
        age = timedelta(milliseconds=milliseconds) if 0 <= milliseconds < _FOR_EVER_MS else None
    if RETENTION_BYTES in configs:
        size = None if int(configs[RETENTION_BYTES]) < 0 else int(configs[RETENTION_BYTES])
    return Kept(age, size)


def effective_configs(configs: Mapping[str, str], settings: BrokerSettings) -> dict[str, str]:
    """Return all configs of a topic as tools show them."""
    kept = kept_by(configs, settings)
    return {
        "cleanup.policy": "delete",
        "max.message.bytes": str(settings.max_batch_bytes),
        "message.timestamp.type": "CreateTime",
        "min.insync.replicas": "1",
        RETENTION_BYTES: str(-1 if kept.size_bytes is None else kept.size_bytes),
        RETENTION_MS: str(-1 if kept.age is None else kept.age // timedelta(milliseconds=1)),
    }


def _is_limit(value: str | None) -> bool:
    try:
        return value is None or -1 <= int(value) < 2**63
    except ValueError:
        return False
