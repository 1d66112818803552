"""HTTP as attackers write it: bytes on a socket, and what comes back until the server has enough."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.support.suite import Suite

PATIENCE_SECONDS = 15


@dataclass(frozen=True)
class Answer:
    """One answer off the wire; `is_last` when the connection ended after it."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_last: bool

    @property
    def problem(self) -> dict[str, Any]:
        """Return the problem document, after checking that it is one."""
        assert self.headers["content-type"] == "application/problem+json", self
        document: dict[str, Any] = json.loads(self.body)
        assert document["status"] == self.status
        assert b"Traceback" not in self.body
        return document


def address(suite: Suite) -> tuple[str, int]:
    """Return where the suite listens."""
    host, _, port = suite.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def knock(suite: Suite, *pieces: bytes, patience_seconds: float = PATIENCE_SECONDS) -> bytes:
    """Send pieces and return everything that comes until the server ends the connection or patience is over."""
    with socket.create_connection(address(suite), timeout=patience_seconds) as connection:
        # A server that has heard enough may close while we still send.
        with suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
        return _read_all(connection)


def _read_all(connection: socket.socket) -> bytes:
    found = b""
    with suppress(ConnectionError, TimeoutError):
        while chunk := connection.recv(65536):
            found += chunk
    return found


def answers(received: bytes) -> list[Answer]:
    """Return the answers in what was received, which must be whole ones with a Content-Length."""
    found: list[Answer] = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"])
        body, received = received[:length], received[length:]
        is_last = headers.get("connection") == "close"
        found.append(Answer(int(status_line.split()[1]), headers, body, is_last))
    return found


def only_answer(received: bytes) -> Answer:
    """Return the one answer in what was received."""
    found = answers(received)
    assert len(found) == 1, received[:2000]
    return found[0]


KNOCKS = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "noise": bytes(range(256)) * 40,
    "a frame of two gigabytes": b"\x7f\xff\xff\xff" + bytes(1000),
    "a negative frame": b"\xff\xff\xff\xff" + bytes(1000),
    "an empty frame": bytes(4),
    "an unknown request": b"\0\0\0\x0c" + b"\x7f\xff" + bytes(10),
    "a frame that never ends": b"\0\0\x10\0" + bytes(10),
    "a million topics": b"\0\0\0\x12" + b"\0\x03\0\x01\0\0\0\x01\xff\xff" + b"\x00\x0f\x42\x40" + bytes(4),
}
"""What a stranger may send to a port that speaks Kafka."""
