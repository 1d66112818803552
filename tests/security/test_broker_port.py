"""The embedded broker's port as another user of the machine finds it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from huiyin_broker import Broker, BrokerSettings, NotLoopback
from tests.security.conftest import resident_mib
from tests.security.wire import KNOCKS
from tests.support.suite import Suite, eventually

PASSWORD = "of this installation only"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """Give a broker with a password."""
    broker = Broker(BrokerSettings(path=tmp_path / "broker.db", port=0, min_free_bytes=0, password=PASSWORD))
    await broker.start()
    yield broker
    await broker.stop()


def producer(broker: Broker, **security: str) -> AIOKafkaProducer:
    """Return a producer with a short patience."""
    return AIOKafkaProducer(bootstrap_servers=broker.bootstrap, request_timeout_ms=2000, **security)


@pytest.mark.parametrize(
    "security",
    [
        {},
        {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": "huiyin",
            "sasl_plain_password": "guessed",
        },
    ],
)
async def test_another_user_of_the_machine_gets_nothing_without_the_password(
    broker: Broker, security: dict[str, str]
) -> None:
    stranger = producer(broker, **security)

    with pytest.raises(KafkaError):
        await asyncio.wait_for(stranger.start(), 20)

    await stranger.stop()


async def test_with_the_password_the_owner_gets_in(broker: Broker) -> None:
    owner = producer(
        broker,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="huiyin",
        sasl_plain_password=PASSWORD,
    )
    async with owner:
        assert (await owner.send_and_wait("t", b"x")).offset == 0


@pytest.mark.parametrize("host", [str(IPv4Address(0)), "::", "192.0.2.1", "localhost", "huiyin.example", ""])
def test_no_address_but_loopback_is_ever_listened_on(tmp_path: Path, host: str) -> None:
    with pytest.raises(NotLoopback):
        Broker(BrokerSettings(path=tmp_path / "broker.db", host=host, port=0))


def test_the_running_suite_listens_on_loopback_only(server: psutil.Process) -> None:
    listening = {each.laddr.ip for each in server.net_connections() if each.status == psutil.CONN_LISTEN}

    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("what", KNOCKS)
def test_rubbish_ends_its_own_connection_and_no_more(suite: Suite, what: str) -> None:
    host, _, port = suite.bootstrap.partition(":")
    with socket.create_connection((host, int(port)), timeout=15) as connection:
        connection.sendall(KNOCKS[what])
        connection.shutdown(socket.SHUT_WR)

        assert _is_ended(connection)
    assert _answers(suite)


def test_a_thousand_silent_connections_leave_the_memory_flat(suite: Suite, server: psutil.Process) -> None:
    host, _, port = suite.bootstrap.partition(":")
    before, files = resident_mib(server), server.num_fds()
    with ExitStack() as crowd:
        for number in range(1000):
            connection = crowd.enter_context(socket.create_connection((host, int(port)), timeout=10))
            if number % 2:
                connection.sendall(struct.pack(">i", 60_000) + b"\0")
        assert _answers(suite) or server.num_fds() - files < 1000
        assert resident_mib(server) - before < 40

    eventually(lambda: server.num_fds() < files + 50)
    assert _answers(suite)


def _is_ended(connection: socket.socket) -> bool:
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        return True
    return True


def _answers(suite: Suite) -> bool:
    """Tell whether the broker still tells its versions to a client of its own."""
    host, _, port = suite.bootstrap.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))
        return connection.recv(4096)[4:8] == struct.pack(">i", 7)
