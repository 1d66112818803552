"""A TCP proxy that does to a connection what networks do: parts its ends, loses, delays, resets, closes slowly.

Kafka's clients go where the broker says it is, not where they first called: answers that name the broker's address get
the proxy's instead, which is as long.
"""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

HOST = "127.0.0.1"
_CHUNK = 64 * 1024
_LOOK_SECONDS = 0.02


class Weather(Enum):
    """What the proxy does to bytes."""

    CLEAR = "they pass"
    SILENT = "nothing passes; what was sent arrives later, as TCP sends again what got lost on the way"
    DEAF = "what clients send arrives later"
    MUTE = "what the server answers arrives later"
    FORGETFUL = "they are gone for ever, and connections stay open: a box between has forgotten them"
    REFUSING = "connections are reset, new ones too"


class Proxy:
    """Listens on a loopback port and passes connections on to `target`, a port of this machine or a unix socket.

    `weather` and `latency_seconds` (one way) may be changed at any time.
    """

    def __init__(self, target: int | Path) -> None:
        self.weather = Weather.CLEAR
        self.latency_seconds = 0.0
        self._target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._reset: set[socket.socket] = set()
        self._closing = threading.Event()

    def start(self) -> None:
        """Accept connections until `close`."""
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        """Close everything."""
        self._closing.set()
        # A blocking accept is not woken by a close alone.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in list(self._open):
            _close(each)

    def reset_all(self) -> None:
        """Reset every open connection, in the middle of what it does."""
        broken = list(self._open)
        # Both ends at once: the thread that sees the first one go must not close the other one in order.
        self._reset |= set(broken)
        for each in broken:
            _reset(each)

    def close_slowly(self, *, pause_seconds: float) -> None:
        """Shut the servers' half of each connection, one after the other, and leave the clients' half open."""
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_WR)
            time.sleep(pause_seconds)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.weather is Weather.REFUSING:
                _reset(client)
                continue
            threading.Thread(target=self._serve, args=(client,), name="proxy-call", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = self._connected()
        except OSError:
            _reset(client)
            return
        self._open |= {client, server}
        up = threading.Thread(
            target=self._pass_on, args=(client, server, Weather.DEAF, bytes), name="proxy-up", daemon=True
        )
        up.start()
        self._pass_on(server, client, Weather.MUTE, self._renamed())
        up.join()
        self._open -= {client, server}
        self._reset -= {client, server}

    def _connected(self) -> socket.socket:
        if isinstance(self._target, Path):
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._target))
            return server
        return socket.create_connection((HOST, self._target))

    def _pass_on(
        self,
        source: socket.socket,
        sink: socket.socket,
        holding: Weather,
        rename: Callable[[bytes], bytes],
    ) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if self.latency_seconds:
                    time.sleep(self.latency_seconds)
                while self.weather in {holding, Weather.SILENT} and not self._closing.is_set():
                    time.sleep(_LOOK_SECONDS)
                if self.weather is not Weather.FORGETFUL:
                    sink.sendall(rename(chunk))
        end = _reset if self._reset & {source, sink} else _close
        end(source)
        end(sink)

    def _renamed(self) -> Callable[[bytes], bytes]:
        if isinstance(self._target, Path):
            return bytes
        broker, own = _address(self._target), _address(self.port)
        return lambda chunk: chunk.replace(broker, own)


def _address(port: int) -> bytes:
    """Return how Kafka's answers name a broker of this machine: the host's text, then the port as an int32."""
    return HOST.encode() + struct.pack(">i", port)


def _reset(connection: socket.socket) -> None:
    # Lingering for zero seconds makes a close a reset; a thread that still receives must be woken first.
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def passing(target: int | Path) -> Iterator[Proxy]:
    """Give a running proxy, and close it."""
    proxy = Proxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()
