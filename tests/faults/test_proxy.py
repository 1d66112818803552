"""The proxy does to bytes what it says."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.proxy import HOST, Proxy, Weather, passing


@pytest.fixture
def echo() -> Iterator[int]:
    """Give the port of a server that sends back what it gets."""
    listener = socket.create_server((HOST, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    while heard := connection.recv(1024):
                        connection.sendall(heard)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with passing(echo) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    """Give a connection through the proxy that has been used once."""
    with socket.create_connection((HOST, proxy.port), timeout=2) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
        yield client


@pytest.mark.parametrize("weather", [Weather.SILENT, Weather.DEAF, Weather.MUTE])
def test_what_is_sent_in_bad_weather_arrives_when_it_clears(
    proxy: Proxy, client: socket.socket, weather: Weather
) -> None:
    proxy.weather = weather
    client.settimeout(0.3)

    client.sendall(b"late")

    with pytest.raises(TimeoutError):
        client.recv(100)
    proxy.weather = Weather.CLEAR
    client.settimeout(2)
    assert client.recv(100) == b"late"


def test_what_is_forgotten_never_arrives_and_the_connection_lives_on(
    proxy: Proxy, client: socket.socket
) -> None:
    proxy.weather = Weather.FORGETFUL
    client.settimeout(0.3)

    client.sendall(b"lost")

    with pytest.raises(TimeoutError):
        client.recv(100)
    proxy.weather = Weather.CLEAR
    client.sendall(b"heard")
    assert client.recv(100) == b"heard"


def test_a_reset_connection_is_broken_and_a_new_one_works(proxy: Proxy, client: socket.socket) -> None:
    proxy.reset_all()

    with pytest.raises(ConnectionResetError):
        client.recv(100)
    with socket.create_connection((HOST, proxy.port), timeout=2) as again:
        again.sendall(b"hello")
        assert again.recv(100) == b"hello"


def test_a_refusing_network_resets_new_connections(proxy: Proxy) -> None:
    proxy.weather = Weather.REFUSING

    with pytest.raises(ConnectionError):
        _called(proxy.port)


def _called(port: int) -> bytes:
    with socket.create_connection((HOST, port), timeout=2) as client:
        return client.recv(100)


def test_latency_delays_both_ways(proxy: Proxy, client: socket.socket) -> None:
    proxy.latency_seconds = 0.2
    client.settimeout(0.3)

    client.sendall(b"late")

    with pytest.raises(TimeoutError):
        client.recv(100)
    client.settimeout(2)
    assert client.recv(100) == b"late"


def test_a_broker_that_names_its_address_is_given_the_proxys(
    proxy: Proxy, client: socket.socket, echo: int
) -> None:
    client.sendall(HOST.encode() + struct.pack(">i", echo))

    assert client.recv(100) == HOST.encode() + struct.pack(">i", proxy.port)
