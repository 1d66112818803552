"""The broker as a whole: start, listen on loopback, stop."""

import asyncio
import contextlib
import errno
import ipaddress
import socket

import structlog

from huiyin_broker.apis.call import Node
from huiyin_broker.apis.routes import ROUTES
from huiyin_broker.connection import Connection
from huiyin_broker.coordinator import Coordinator
from huiyin_broker.errors import NotLoopback, PortInUse
from huiyin_broker.log import Log
from huiyin_broker.retention import keep_retention
from huiyin_broker.settings import BrokerSettings

log = structlog.get_logger(__name__)


class Broker:
    """An embedded broker. Start and stop it in the event loop that runs it.

    Raises NotLoopback at once when the host is not a loopback address.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        _check_loopback(settings.host)
        self._settings = settings
        self._port = settings.port
        self._node: Node | None = None
        self._server: asyncio.Server | None = None
        self._retention: asyncio.Task[None] | None = None
        self._connections: dict[asyncio.Task[None], Connection] = {}

    @property
    def settings(self) -> BrokerSettings:
        """The settings it was made with."""
        return self._settings

    @property
    def port(self) -> int:
        """The port in use; 0 before `start` when any free port was asked for."""
        return self._port

    @property
    def bootstrap(self) -> str:
        """Where clients connect, as `host:port`."""
        return f"{self._settings.host}:{self.port}"

    async def start(self) -> None:
        """Open the log and listen. Raises PortInUse or LogUnusable, and then holds nothing."""
        listener = _listen(self._settings.host, self._settings.port)
        try:
            store = Log(self._settings)
        except BaseException:
            listener.close()
            raise
        coordinator = Coordinator(initial_delay=self._settings.group_initial_delay)
        self._port = listener.getsockname()[1]
        self._node = Node(self._settings, self._port, store, coordinator, ROUTES)
        self._server = await asyncio.start_server(self._accept, sock=listener)
        self._retention = asyncio.create_task(keep_retention(store, coordinator, self._settings))
        log.info("broker_started", bootstrap=self.bootstrap, log=str(self._settings.path))

    async def stop(self) -> None:
        """Stop accepting, let commits in flight be answered, end connections, close the log."""
        if self._node is None or self._server is None or self._retention is None:
            return
        node, self._node = self._node, None
        self._server.close()
        self._retention.cancel()
        node.coordinator.close()
        node.log.catalog.close()
        for connection in self._connections.values():
            connection.drain()
        await asyncio.gather(self._retention, *self._connections, return_exceptions=True)
        await node.log.close()
        log.info("broker_stopped")

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if self._node is None or task is None or len(self._connections) >= self._settings.max_connections:
            log.warning("connection_turned_away", connections=len(self._connections))
            writer.close()
            return
        connection = self._connections[task] = Connection(self._node, reader, writer)
        try:
            await connection.serve()
        finally:
            del self._connections[task]


def _check_loopback(host: str) -> None:
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    raise NotLoopback(host)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's delay off on the connections it accepts.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(port) from error
        raise
    listener.setblocking(False)
    return listener
