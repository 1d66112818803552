"""The HTTP server: where it listens, and how it stops."""

import asyncio
import contextlib
import socket
from collections.abc import Callable

import httpx2
import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from huiyin_chassis.errors import AddressUnusable
from huiyin_chassis.server import HttpServer, listen, url_of


async def slow_app(_scope: Scope, _receive: Receive, send: Send) -> None:
    await asyncio.sleep(0.2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_port_that_is_taken_between_binding_and_listening_is_told(run: Callable[..., None]) -> None:
    """Any number of sockets may be bound to a port until one of them listens."""

    async def race() -> None:
        ours = listen("127.0.0.1", 0)
        with listen("127.0.0.1", ours.getsockname()[1]) as theirs, contextlib.closing(ours):
            theirs.listen()
            with pytest.raises(AddressUnusable, match="in use"):
                await HttpServer(slow_app, ours).start()

    run(race())


async def test_a_request_in_flight_is_answered_before_the_server_stops() -> None:
    bound = listen("127.0.0.1", 0)
    server = HttpServer(slow_app, bound)
    url = url_of(bound)
    await server.start()
    async with httpx2.AsyncClient() as client:
        answer = asyncio.create_task(client.get(url))
        await asyncio.sleep(0.1)

        await server.stop()

        assert (await answer).text == "done"
        with pytest.raises(httpx2.ConnectError):
            await client.get(url)


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AddressUnusable, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_a_host_that_is_not_ours_is_told_in_one_line(host: str) -> None:
    with pytest.raises(AddressUnusable) as refused:
        listen(host, 0)

    assert "\n" not in str(refused.value)


def test_an_ipv6_address_stands_in_brackets() -> None:
    try:
        bound = listen("::1", 0)
    except AddressUnusable:
        pytest.skip("this machine has no IPv6")
    with bound:
        assert url_of(bound).startswith("http://[::1]:")
