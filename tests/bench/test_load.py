"""The load generator: what it sends, what it counts, and when it counts from."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench import texts
from bench.load import Generator, Load, Tally

Answer = Callable[[bytes], tuple[int, float]]
"""Takes a body; returns a status and after how many seconds to send it."""


class Server:
    """A server that keeps the bodies it is sent and answers as it is told."""

    def __init__(self, answer: Answer) -> None:
        self.bodies: list[bytes] = []
        self.url = ""
        self.served: set[asyncio.Task[object]] = set()
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self.served.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r", 1)[0])
                body = await reader.readexactly(length)
                self.bodies.append(body)
                status, seconds = self._answer(body)
                await asyncio.sleep(seconds)
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    server = Server(answer)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        server.url = f"http://127.0.0.1:{port}/v1/feedback"
        yield server
        # The generator has closed its connections; their ends are seen before the loop is.
        await asyncio.gather(*server.served)


async def test_every_request_has_an_id_and_an_author_of_its_own() -> None:
    async with serving(lambda _body: (202, 0.0)) as server:
        await Generator(Load(url=server.url, connections=2, limit=100, warmup_seconds=0.0)).run()

    posts = [json.loads(body) for body in server.bodies]
    assert len(posts) == 100
    assert len({post["external_id"] for post in posts}) == 100
    assert len({post["author"]["id"] for post in posts}) == 100


async def test_the_items_of_a_batch_differ_too() -> None:
    async with serving(lambda _body: (202, 0.0)) as server:
        load = Load(url=server.url, preset="batch:10", limit=3, warmup_seconds=0.0)
        figures = await Generator(load).run()

    items = [item for body in server.bodies for item in json.loads(body)["items"]]
    assert figures["items"] == 30
    assert len({item["external_id"] for item in items}) == 30


async def test_refusals_are_errors_and_not_items() -> None:
    statuses = iter([202, 503, 202])

    async with serving(lambda _body: (next(statuses), 0.0)) as server:
        figures = await Generator(Load(url=server.url, limit=3, warmup_seconds=0.0)).run()

    assert figures["items"] == 2
    assert figures["errors"] == {"503": 1}
    assert figures["error_sample"] == "{}"


async def test_an_open_loop_counts_from_when_a_request_was_due() -> None:
    """A server that stalls once delays what was due meanwhile; a closed loop would not have sent it."""
    stalls = iter([0.3])

    async with serving(lambda _body: (202, next(stalls, 0.0))) as server:
        load = Load(url=server.url, seconds=0.5, warmup_seconds=0.0, per_second=50)
        figures = await Generator(load).run()

    assert figures["items"] == 25
    assert figures["p50_ms"] > 50
    assert figures["max_ms"] >= 290


async def test_whoever_wants_to_hears_of_every_answer() -> None:
    heard: list[int] = []

    async with serving(lambda _body: (202, 0.0)) as server:
        load = Load(url=server.url, limit=5, warmup_seconds=0.0)
        await Generator(load, lambda status, _body, _now: heard.append(status)).run()

    assert heard == [202] * 5


def test_answers_of_the_warm_up_are_items_but_have_no_latency() -> None:
    tally = Tally(counted_from=10.0)

    tally.add(202, due=9.9, now=10.1)
    tally.add(202, due=10.2, now=10.3)

    assert tally.answered == 2
    assert list(tally.latencies) == pytest.approx([0.1])


def test_complaints_are_the_same_for_everybody_and_about_600_bytes() -> None:
    bodies = [b"0123456789abcdef".join(pieces) for pieces in texts.pieces("feedback")]

    assert texts.complaint(7) == texts.complaint(7)
    assert len({json.loads(body)["text"] for body in bodies}) > 20
    assert all(520 <= len(body) <= 720 for body in bodies)


def test_the_shipped_feedback_gets_ids_of_its_own_too() -> None:
    for pieces in texts.pieces("shipped"):
        post = json.loads(b"one".join(pieces))

        assert post["external_id"] == "one"
        assert post["author"] == {"id": "c-one"}
