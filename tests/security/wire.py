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
