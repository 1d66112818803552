"""The HTTP server of a process: uvicorn on a socket that we bind ourselves, stopped by us and not by its own signals."""

import asyncio
import contextlib
import errno
import os
import resource
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import Server

from huiyin_chassis.connection import Limits, limited
from huiyin_chassis.errors import AddressUnusable

IN_FLIGHT: Final = timedelta(seconds=10)
_BACKLOG: Final = 2048
_KEEP_ALIVE_SECONDS: Final = 75
_MOST_FILES: Final = 16_384
_IN_USE: Final = "the port is in use"


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; connections are accepted once a server takes it.

    Raises AddressUnusable when the address is taken, forbidden or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise AddressUnusable(host, port, reason=_reason(error)) from None
    return bound


def connection_bound() -> int:
    """Let this process open as many files as it is allowed to, and return how many of them clients may hold: half."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return min(Limits().connections, max(soft, wanted) // 2)


def url_of(bound: socket.socket) -> str:
    """Return the `http://HOST:PORT` of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reason(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return _IN_USE
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error.strerror or error)


class HttpServer:
    """Serves one ASGI application on a bound socket, from `start` to `stop`."""

    def __init__(self, app: ASGIApp, bound: socket.socket, *, limits: Limits | None = None) -> None:
        self._bound = bound
        self._host, self._port = bound.getsockname()[:2]
        self._server = _QuietServer(
            Config(
                app,
                http=limited(limits or Limits(connections=connection_bound())),
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                # Nothing asks for a client's address or scheme, so no header can lie about them either.
                proxy_headers=False,
                server_header=False,
                date_header=True,
                backlog=_BACKLOG,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=int(IN_FLIGHT.total_seconds()),
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when requests are answered.

        Raises AddressUnusable when another process has begun to listen there since the socket was bound.
        """
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._bound]), name="http")
        while not (self._server.started or self._serving.done()):  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.005)
        # uvloop closes a socket that it cannot listen on, and says nothing; asyncio raises.
        is_closed = self._bound.fileno() < 0
        if is_closed or self._serving.done():
            try:
                await self.stop()
            except OSError as error:
                raise AddressUnusable(self._host, self._port, reason=_reason(error)) from None
        if is_closed:
            raise AddressUnusable(self._host, self._port, reason=_IN_USE)

    async def stop(self) -> None:
        """Accept nothing more, give requests in flight ten seconds, and return."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _QuietServer(Server):
    """A server that leaves the process's signals alone: `StopSignal` has them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
