import struct

import pytest
from aiokafka import AIOKafkaProducer
from kio.schema.errors import ErrorCode

from huiyin_broker import Broker
from tests.broker.conftest import StartBroker
from tests.broker.wire import WireClient

HANDSHAKE, AUTHENTICATE, METADATA, API_VERSIONS = 17, 36, 3, 18
PASSWORD = "correct horse 电池"


@pytest.fixture
async def guarded(start_broker: StartBroker) -> Broker:
    return await start_broker(password=PASSWORD)


async def authenticate(client: WireClient, token: bytes) -> ErrorCode:
    await client.call(HANDSHAKE, 1, mechanism="PLAIN")
    error: ErrorCode = (await client.call(AUTHENTICATE, 2, auth_bytes=token)).error_code
    return error


async def test_aiokafka_gets_in_with_the_password(guarded: Broker) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=guarded.bootstrap,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="PLAIN",
        sasl_plain_username="huiyin",
        sasl_plain_password=PASSWORD,
    )
    async with producer:
        sent = await producer.send_and_wait("t", b"x", partition=0)

    assert sent.offset == 0


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"\0huiyin\0",
        b"\0huiyin\0wrong",
        f"\0other\0{PASSWORD}".encode(),
        PASSWORD.encode(),
        f"huiyin\0{PASSWORD}".encode(),
        b"\xff\xfe\0\xff",
    ],
)
async def test_anything_else_is_refused(guarded: Broker, token: bytes) -> None:
    async with WireClient(guarded) as client:
        assert await authenticate(client, token) is ErrorCode.sasl_authentication_failed


async def test_before_the_password_only_the_versions_are_told(guarded: Broker) -> None:
    async with WireClient(guarded) as client:
        assert (await client.call(API_VERSIONS, 0)).error_code is ErrorCode.none

        client.send(METADATA, 1, topics=None)

        assert await client.is_hung_up()


async def test_after_a_wrong_password_nothing_is_told(guarded: Broker) -> None:
    async with WireClient(guarded) as client:
        await authenticate(client, b"\0huiyin\0wrong")
        client.send(METADATA, 1, topics=None)

        assert await client.is_hung_up()


async def test_after_the_password_everything_is(guarded: Broker) -> None:
    async with WireClient(guarded) as client:
        assert await authenticate(client, f"\0huiyin\0{PASSWORD}".encode()) is ErrorCode.none

        assert (await client.call(METADATA, 1, topics=None)).brokers


async def test_other_mechanisms_are_refused_with_the_one_there_is(guarded: Broker) -> None:
    async with WireClient(guarded) as client:
        answer = await client.call(HANDSHAKE, 1, mechanism="SCRAM-SHA-256")

    assert answer.error_code is ErrorCode.unsupported_sasl_mechanism
    assert answer.mechanisms == ("PLAIN",)


async def test_a_password_without_agreement_on_a_mechanism_is_refused(guarded: Broker) -> None:
    async with WireClient(guarded) as client:
        answer = await client.call(AUTHENTICATE, 2, auth_bytes=f"\0huiyin\0{PASSWORD}".encode())

    assert answer.error_code is ErrorCode.illegal_sasl_state


async def test_without_a_password_there_is_nothing_to_agree_on(wire: WireClient) -> None:
    assert (await wire.call(HANDSHAKE, 1, mechanism="PLAIN")).error_code is ErrorCode.illegal_sasl_state


async def test_a_stranger_may_not_send_much(guarded: Broker) -> None:
    async with WireClient(guarded) as client:
        client.writer.write(struct.pack(">i", 1_000_000))

        assert await client.is_hung_up()
