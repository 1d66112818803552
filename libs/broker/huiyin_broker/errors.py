"""What can go wrong with the broker itself; protocol errors travel as Kafka error codes instead.

BrokerError
├── NotLoopback    the settings name an address other machines could reach
├── PortInUse      another process listens there
├── LogUnusable    the log file cannot serve: read-only, newer version, not a broker log, damaged
│   └── LogLocked  another broker has the log open
└── StorageFailed  a write was rolled back; nothing of it happened
"""

from pathlib import Path


class BrokerError(Exception):
    """Base of everything the broker raises to the program that embeds it."""


class NotLoopback(BrokerError):
    """The host of the settings is not a loopback address."""

    def __init__(self, host: str) -> None:
        super().__init__(f"the embedded broker listens on loopback addresses only, not on {host!r}")
        self.host = host


class PortInUse(BrokerError):
    """Another process listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use")
        self.port = port


class LogUnusable(BrokerError):
    """The log file cannot be opened for writing as a broker log."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot use the broker log {path}: {reason}")
        self.path = path
        self.reason = reason


class LogLocked(LogUnusable):
    """Another broker has this log open."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "another broker has it open")


class StorageFailed(BrokerError):
    """A transaction was rolled back because the disk refused it; the state is what it was before."""
