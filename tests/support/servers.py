"""What the real servers of the tests share: where files are cached, free ports, and what happens when one cannot start.

On a user's machine a test whose server is missing is skipped with the reason. In CI (`CI=true`) it fails, because a
skipped suite would look green there.
"""

import os
import secrets
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, NoReturn

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache"
_LASTING_PORTS: Final = range(10_000, 32_768)
"""Linux takes those of outgoing connections from 32768 on (net.ipv4.ip_local_port_range), other systems from higher."""


class ServerUnavailable(Exception):
    """A real server cannot run on this machine; the message says what is missing."""


def skip_or_fail(missing: ServerUnavailable) -> NoReturn:
    """Skip the running test with the reason, or fail it where `CI` is true."""
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(f"CI needs every server: {missing}", pytrace=False)
    pytest.skip(str(missing))


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on; all are held until the last is found, so they differ.

    They lie below those that the system gives to connections going out: one of these would take the port of a server that is
    down for a moment, and the server could not come back to it.
    """
    with ExitStack() as held:
        return [_hold_free_port(held) for _ in range(count)]


def _hold_free_port(held: ExitStack) -> int:
    while True:
        port = secrets.choice(_LASTING_PORTS)
        with suppress(OSError):
            held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return port
