"""An answer leaves in one piece, and in order, and nothing of it is kept back."""

import asyncio
from typing import Any

import pytest

from huiyin_chassis.joined import JoinedWrites
from huiyin_chassis.server import HttpServer, listen


class Wire(asyncio.Transport):
    """A transport that notes what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def write(self, data: Any) -> None:
        self.seen.append(data)

    def write_eof(self) -> None:
        self.seen.append("eof")

    def close(self) -> None:
        self.seen.append("closed")

    def abort(self) -> None:
        self.seen.append("aborted")

    def get_write_buffer_size(self) -> int:
        return 7


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def joined(wire: Wire) -> JoinedWrites:
    return JoinedWrites(wire, asyncio.get_running_loop())


async def test_head_and_body_are_one_write(wire: Wire, joined: JoinedWrites) -> None:
    joined.write(b"head ")
    joined.write(b"body")
    joined.flush()
    joined.flush()
    await asyncio.sleep(0)

    assert wire.seen == [b"head body"]


async def test_a_head_without_its_body_leaves_at_the_next_turn(wire: Wire, joined: JoinedWrites) -> None:
    joined.write(b"head")
    await asyncio.sleep(0)
    joined.write(b"body")
    await asyncio.sleep(0)

    assert wire.seen == [b"head", b"body"]


@pytest.mark.parametrize(("way", "mark"), [("close", "closed"), ("write_eof", "eof")])
async def test_whatever_ends_the_connection_comes_after_what_was_written(
    wire: Wire, joined: JoinedWrites, way: str, mark: str
) -> None:
    joined.write(b"last words")
    getattr(joined, way)()

    assert wire.seen == [b"last words", mark]


async def test_an_aborted_connection_does_not_wait(wire: Wire, joined: JoinedWrites) -> None:
    joined.write(b"never mind")
    joined.abort()

    assert wire.seen == ["aborted"]


async def test_much_is_written_at_once(wire: Wire, joined: JoinedWrites) -> None:
    joined.write(b"head")
    joined.write(b"x" * 65_536)

    assert wire.seen == [b"head" + b"x" * 65_536]
    assert joined.get_write_buffer_size() == 7


async def test_what_is_held_counts_as_not_written(joined: JoinedWrites) -> None:
    joined.write(b"head")

    assert joined.get_write_buffer_size() == 7 + 4


async def test_a_stream_is_heard_while_it_lasts() -> None:
    heard = asyncio.Event()

    async def streaming(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await heard.wait()
        await send({"type": "http.response.body", "body": b"last"})

    bound = listen("127.0.0.1", 0)
    server = HttpServer(streaming, bound)
    await server.start()
    reader, writer = await asyncio.open_connection(*bound.getsockname())
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    first = await asyncio.wait_for(reader.readuntil(b"first"), 5)
    heard.set()
    rest = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await server.stop()

    assert first.startswith(b"HTTP/1.1 200")
    assert b"last" in rest
