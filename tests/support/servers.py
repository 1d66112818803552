"""What the real servers of the tests share: where files are cached, free ports, and what happens when one cannot start.

On a user's machine a test whose server is missing is skipped with the reason. In CI (`CI=true`) it fails, because a
skipped suite would look green there.
"""

import os
import socket
from pathlib import Path
from typing import NoReturn

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache"


class ServerUnavailable(Exception):
    """A real server cannot run on this machine; the message says what is missing."""


def skip_or_fail(missing: ServerUnavailable) -> NoReturn:
    """Skip the running test with the reason, or fail it where `CI` is true."""
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        pytest.fail(f"CI needs every server: {missing}", pytrace=False)
    pytest.skip(str(missing))


def free_ports(count: int) -> list[int]:
    """Return loopback ports that nobody listens on; all are held until the last is found, so they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
