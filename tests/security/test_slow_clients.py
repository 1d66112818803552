"""Clients that are slow, many, or break off: they cost a connection for a while, and nobody else anything."""

import socket
import struct
import time
from contextlib import ExitStack, suppress

import httpx2
import psutil

from tests.security.conftest import resident_mib
from tests.security.wire import address, knock, only_answer
from tests.support.suite import ADMIN_KEY, Suite, eventually

CROWD = 1000
KEY = f"Authorization: Bearer {ADMIN_KEY}\r\n".encode()
POST = b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + KEY
RESET = struct.pack("ii", 1, 0)


def dribble(suite: Suite, head: bytes) -> bytes:
    """Send a head that goes on, one small field after the other, until the server has had enough of it."""
    with socket.create_connection(address(suite), timeout=0.5) as connection:
        connection.sendall(head)
        while True:
            connection.sendall(b"X-Drop: a\r\n")
            with suppress(TimeoutError):
                return connection.recv(65536)


def is_quick(client: httpx2.Client) -> bool:
    """Tell whether others are still answered without delay."""
    began = time.monotonic()
    return client.get("/v1/units").status_code == 200 and time.monotonic() - began < 8


def test_a_head_by_drops_is_given_ten_seconds(suite: Suite, client: httpx2.Client) -> None:
    began = time.monotonic()

    answer = only_answer(dribble(suite, b"GET /livez HTTP/1.1\r\nHost: x\r\n"))

    assert answer.problem["status"] == 408
    assert 9 < time.monotonic() - began < 60
    assert is_quick(client)


def test_a_thousand_connections_leave_the_memory_flat_and_the_others_served(
    suite: Suite, client: httpx2.Client, server: psutil.Process
) -> None:
    before, files = resident_mib(server), server.num_fds()
    with ExitStack() as crowd:
        for number in range(CROWD):
            connection = crowd.enter_context(socket.create_connection(address(suite), timeout=10))
            if number % 2:
                connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n")
        assert is_quick(client)
        grown = resident_mib(server) - before
    assert grown < 40

    eventually(lambda: server.num_fds() < files + 50, within_seconds=40)


def test_requests_that_are_broken_off_leave_nothing_behind(
    suite: Suite, client: httpx2.Client, server: psutil.Process
) -> None:
    files = server.num_fds()
    body = b"Content-Length: 200\r\n\r\n" + b'{"channel":"web","external_id":"half"'
    for piece in (
        b"GET /li",
        POST[:40],
        POST + body,
        b"GET /v1/tickets HTTP/1.1\r\nHost: x\r\n" + KEY + b"\r\n",
    ):
        for _ in range(25):
            _reset_after(suite, piece)

    eventually(lambda: server.num_fds() < files + 20, within_seconds=40)
    assert is_quick(client)
    assert client.get("/v1/feedback", params={"external_id": "half"}).json()["items"] == []


def _reset_after(suite: Suite, piece: bytes) -> None:
    """Send a piece, then end the connection by a reset instead of a goodbye."""
    with socket.create_connection(address(suite), timeout=10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        with suppress(ConnectionError):
            connection.sendall(piece)


def test_a_refusal_is_heard_by_a_client_that_is_still_sending(suite: Suite) -> None:
    head = POST + b"Content-Length: 20000000\r\n\r\n"

    answer = only_answer(knock(suite, head, *(bytes(500_000) for _ in range(20))))

    assert answer.problem["status"] == 413


def test_answers_that_nobody_reads_do_not_pile_up(
    suite: Suite, client: httpx2.Client, server: psutil.Process
) -> None:
    # The first asking makes the document, which is not what is looked at here.
    client.get("/openapi.json")
    before = resident_mib(server)
    ask = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with ExitStack() as deaf:
        for _ in range(50):
            connection = deaf.enter_context(socket.create_connection(address(suite), timeout=10))
            connection.sendall(ask * 30)
        time.sleep(1)
        assert is_quick(client)
        assert resident_mib(server) - before < 60


def test_after_all_that_the_suite_is_well(suite: Suite, client: httpx2.Client) -> None:
    assert client.get("/readyz").json()["failing"] == {}
    assert "Traceback" not in suite.stderr
