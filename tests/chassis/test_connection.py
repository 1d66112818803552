"""One connection's bounds, on a real socket with small limits; what the whole suite answers stands in tests/security."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from huiyin_chassis.bodies import CAME_WHOLE
from huiyin_chassis.connection import HttpConnection, Limits
from huiyin_chassis.requests import AnswerSender
from huiyin_chassis.server import HttpServer, connection_bound, listen

SOON = timedelta(milliseconds=150)
SMALL = Limits(
    connections=3,
    head_bytes=1024,
    headers=8,
    url_bytes=256,
    pipelined=4,
    head=4 * SOON,
    reading=SOON,
    lingering=SOON,
    lingering_bytes=4 * 1024 * 1024,
)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the path, or with as many bytes as it names; `/wait` answers once the body is there.

    `/whole` tells whether the body was there from the start.
    """
    path: str = scope["path"]
    body = path.encode()
    if path == "/whole":
        body = str(CAME_WHOLE in scope).encode()
    if path == "/wait":
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        await asyncio.sleep(0.05)
    if path.startswith("/bytes/"):
        body = bytes(int(path.removeprefix("/bytes/")))
    if path == "/at-once":
        head = b"content-length: %d\r\n" % len(body)
        assert isinstance(send, AnswerSender)
        assert send.send_whole(200, head, body)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


Connect = Callable[[], Any]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Give a way to connect to a server with small limits."""
    bound = listen("127.0.0.1", 0)
    server = HttpServer(echo, bound, limits=SMALL)
    await server.start()

    @asynccontextmanager
    async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(*bound.getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()

    yield connected
    await server.stop()


async def told(connect: Connect, *sent: bytes, pause: float = 0.0) -> bytes:
    """Send pieces and return all that comes until the server ends the connection."""
    async with connect() as (reader, writer):
        # Heard while it sends: the server will not wait long for a client that goes on.
        hearing = asyncio.create_task(reader.read())
        for piece in sent:
            if not hearing.done():
                writer.write(piece)
                await asyncio.sleep(pause)
        answered: bytes = await asyncio.wait_for(hearing, 20)
        return answered


async def send_without_end(writer: asyncio.StreamWriter) -> None:
    """Send until the other side will have no more."""
    while True:
        writer.write(bytes(65536))
        await writer.drain()


def status_of(answer: bytes) -> int:
    """Return the status of an answer, after checking that a refusal is a problem document."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    if status >= 400:
        problem = json.loads(body)
        assert b"content-type: application/problem+json" in head
        assert b"connection: close" in head
        assert b"x-huiyin-problem" not in head
        assert (problem["status"], len(problem["trace_id"])) == (status, 32)
    return status


HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (HEAD + b"Host: y\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /" + b"a" * 257 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (HEAD + b"X: " + b"a" * 1024 + b"\r\n\r\n", 431),
        (HEAD + b"X: y\r\n" * 8 + b"\r\n", 431),
    ],
)
async def test_a_head_that_breaks_a_rule_is_a_problem_and_the_end(
    connect: Connect, sent: bytes, status: int
) -> None:
    answer = await told(connect, sent)

    assert status_of(answer) == status


async def test_a_head_that_never_ends_is_refused_before_it_does(connect: Connect) -> None:
    answer = await told(connect, HEAD, *(b"X: " + b"a" * 200 for _ in range(8)), pause=0.01)

    assert status_of(answer) == 431


async def test_a_head_that_comes_by_drops_is_refused_however_steady_the_drops(connect: Connect) -> None:
    dripping = HEAD + b"X-Drop: a\r\n" * 1000

    answer = await told(connect, *(bytes([byte]) for byte in dripping), pause=0.01)

    assert status_of(answer) == 408


async def test_a_client_that_says_nothing_is_left(connect: Connect) -> None:
    assert await told(connect) == b""


async def test_a_body_and_the_next_head_in_one_piece_are_no_large_head(connect: Connect) -> None:
    body = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"a" * 5000

    answer = await told(
        connect, body + b"GET /b HTTP/1.1\r\n", b"Host: x\r\nConnection: close\r\n\r\n", pause=0.02
    )

    assert answer.count(b"HTTP/1.1 200") == 2
    assert b"/b" in answer


@pytest.mark.parametrize(("pieces", "whole"), [([b"ab"], b"True"), ([b"a", b"b"], b"False")])
async def test_a_request_is_marked_whole_only_when_its_body_has_come(
    connect: Connect, pieces: list[bytes], whole: bytes
) -> None:
    head = b"POST /whole HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"

    answered = await told(connect, head + pieces[0], *pieces[1:], pause=0.05)

    assert whole in answered


async def test_an_answer_in_progress_is_not_taken_for_the_refusal_of_what_follows(connect: Connect) -> None:
    answer = await told(connect, b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\nrubbish\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_broken_body_is_refused_and_its_endpoint_let_go(connect: Connect) -> None:
    head = b"POST /wait HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

    answer = await told(connect, head, b"zz\r\n", pause=0.02)

    assert status_of(answer) == 400


async def test_requests_are_answered_in_order_but_not_without_end(connect: Connect) -> None:
    few = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(4))
    many = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(100))

    async with connect() as (reader, writer):
        writer.write(few)
        answered = [await reader.readuntil(b"0\r\n\r\n") for _ in range(4)]
    cut = await told(connect, many)

    assert [b"/%d" % number in answer for number, answer in enumerate(answered)] == [True] * 4
    assert 1 <= cut.count(b"HTTP/1.1 200") <= 6


@pytest.mark.parametrize(("version", "ends"), [(b"1.1", False), (b"1.0", True)])
async def test_a_whole_answer_is_what_its_messages_would_be(
    connect: Connect,
    version: bytes,
    ends: bool,  # noqa: FBT001
) -> None:
    request = b"POST /at-once HTTP/%s\r\nHost: x\r\nContent-Length: 2\r\n\r\nab" % version

    answer = await told(connect, request, b"" if ends else b"GET /b HTTP/1.0\r\n\r\n", pause=0.05)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
    assert (b"connection: close" in head) is ends
    assert body.startswith(b"/at-once")
    assert answer.count(b"HTTP/1.1 200") == (1 if ends else 2)


async def test_whole_answers_come_in_the_order_of_their_requests(connect: Connect) -> None:
    at_once = b"POST /at-once HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
    slow = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"

    answered = await told(connect, slow + at_once + b"GET /last HTTP/1.0\r\n\r\n")

    places = [answered.index(path) for path in (b"/wait", b"/at-once", b"/last")]
    assert places == sorted(places)


async def test_what_would_upgrade_is_answered_and_left(connect: Connect) -> None:
    answer = await told(connect, HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI * HTTP/2.0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer


async def test_an_answer_is_heard_by_a_client_that_still_sends(connect: Connect) -> None:
    head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n"

    answer = await told(connect, head, *(b"a" * 300_000 for _ in range(9)), pause=0.005)

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"connection: close") == 1


async def test_a_client_that_goes_on_sending_after_its_answer_is_cut_off(connect: Connect) -> None:
    head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n"

    async with connect() as (_, writer):
        writer.write(head)
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(send_without_end(writer), 5)


async def test_an_answer_that_nobody_reads_is_dropped(connect: Connect) -> None:
    async with connect() as (reader, writer):
        writer.transport.pause_reading()
        writer.write(b"GET /bytes/40000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(1)
        writer.transport.resume_reading()

        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(40_000_000)


async def test_one_connection_too_many_is_told_so_and_the_others_go_on(connect: Connect) -> None:
    async with connect() as (reader, writer), connect(), connect():
        await asyncio.sleep(0.02)

        answer = await told(connect)
        writer.write(HEAD + b"\r\n")

        assert status_of(answer) == 503
        assert b"retry-after: 2" in answer
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")


def test_clients_may_hold_half_of_the_files_a_process_may_open() -> None:
    assert 100 < connection_bound() <= Limits().connections


def test_the_protocol_below_still_has_what_is_overridden() -> None:
    ours = set(vars(HttpConnection)) & set(dir(HttpToolsProtocol))

    assert {"_start_asgi_task", "data_received", "on_headers_complete", "on_response_complete"} <= ours
