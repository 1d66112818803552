"""SIGTERM under load: what was begun is finished, what was answered is kept, nobody is let in any more."""

import json
import signal
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import httpx2
import psutil
import pytest
import uuid_utils

from tests.support.suite import ADMIN_KEY, Suite, eventually

POST = {"channel": "web", "kind": "message", "occurred_at": "2026-11-22T10:00:00Z", "text": "hello"}


class Poster:
    """Posts feedback one after the other until the door is shut."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self.accepted: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._post)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join(30)

    def _post(self) -> None:
        with self._suite.client() as client:
            while True:
                external_id = str(uuid_utils.uuid7())
                try:
                    answer = client.post("/v1/feedback", json=POST | {"external_id": external_id})
                except httpx2.TransportError as error:
                    self.outcomes[type(error).__name__] += 1
                    return
                self.outcomes[str(answer.status_code)] += 1
                if answer.status_code == 202:
                    self.accepted.append(external_id)


def half_a_post(suite: Suite) -> tuple[socket.socket, bytes]:
    """Begin a post that intake waits for, and return what is left of it."""
    host, _, port = suite.url.removeprefix("http://").rpartition(":")
    body = json.dumps(POST | {"external_id": "half-way"}).encode()
    head = f"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = socket.create_connection((host, int(port)), timeout=15)
    connection.sendall(head.encode() + body[:10])
    return connection, body[10:]


def is_refused(suite: Suite) -> bool:
    try:
        httpx2.get(f"{suite.url}/livez", timeout=5)
    except httpx2.TransportError:
        return True
    return False


@pytest.mark.timeout(240)
def test_a_stop_under_load_finishes_what_was_begun_and_keeps_what_was_answered(tmp_path: Path) -> None:
    suite = Suite(tmp_path, HUIYIN_LOG_LEVEL="info")
    suite.start()
    assert suite._process is not None
    posters = [Poster(suite) for _ in range(4)]
    for poster in posters:
        poster.start()
    begun, rest = half_a_post(suite)
    idle = socket.create_connection(begun.getpeername(), timeout=15)
    eventually(lambda: sum(len(poster.accepted) for poster in posters) > 50)

    suite._process.send_signal(signal.SIGTERM)
    asked_at = time.monotonic()
    for poster in posters:
        poster.join()
    assert is_refused(suite)
    assert idle.recv(1) == b""
    assert psutil.pid_exists(suite._process.pid)
    begun.sendall(rest)
    answer = begun.recv(65536)
    code = suite._process.wait(timeout=30)
    stopped_after = time.monotonic() - asked_at
    suite.end()
    begun.close()
    idle.close()

    assert answer.startswith(b"HTTP/1.1 202")
    assert b"connection: close" in answer
    assert code == 0, suite.stderr[-3000:]
    assert stopped_after < 20
    assert set().union(*(set(poster.outcomes) for poster in posters)) <= {
        "202",
        "ConnectError",
        "ReadError",
        "RemoteProtocolError",
    }
    assert not (suite.data_dir / "broker.port").exists()

    accepted = {one for poster in posters for one in poster.accepted} | {"half-way"}
    assert len(accepted) > 50
    suite.start()
    try:
        with suite.client() as client:
            missing = [
                one
                for one in accepted
                if not client.get("/v1/feedback", params={"external_id": one}).json()["items"]
            ]
        assert missing == []
        assert suite.verify()["ok"] is True
    finally:
        suite.end()
