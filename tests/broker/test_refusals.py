"""What the broker does with clients that are broken, hostile, or ask for what it does not have."""

import asyncio
import os
import random
import struct
from datetime import timedelta

import pytest
from kio.index import load_request_schema
from kio.schema.errors import ErrorCode

from huiyin_broker import Broker, connection
from huiyin_broker.apis.routes import ROUTES
from huiyin_broker.protocol import MalformedRequest, decode_head, decode_request
from tests.broker.conftest import StartBroker
from tests.broker.wire import WireClient, fetch, produce, record_batch, send_fetch

PRODUCE, FETCH, METADATA, API_VERSIONS, CREATE_ACLS, INIT_PRODUCER_ID, FIND_COORDINATOR = (
    0,
    1,
    3,
    18,
    30,
    22,
    10,
)
CONSUMER_GROUP_HEARTBEAT = 68


async def answers(broker: Broker) -> bool:
    async with WireClient(broker) as client:
        return (await client.call(API_VERSIONS, 0)).error_code is ErrorCode.none


@pytest.mark.parametrize("length", [-1, 0, 3, 2**31 - 1, 17 * 1024 * 1024])
async def test_a_frame_of_senseless_length_ends_the_connection(broker: Broker, length: int) -> None:
    async with WireClient(broker) as client:
        client.writer.write(struct.pack(">i", length))

        assert await client.is_hung_up()
    assert await answers(broker)


async def test_a_frame_that_is_begun_and_not_ended_ends_the_connection(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_FRAME_SECONDS", 0.2)
    async with WireClient(broker) as slow, WireClient(broker) as quick:
        slow.writer.write(struct.pack(">i", 1_000_000) + b"by drops")

        assert await slow.is_hung_up()
        assert (await quick.call(API_VERSIONS, 0)).error_code is ErrorCode.none


async def test_a_request_over_http_ends_the_connection(broker: Broker) -> None:
    async with WireClient(broker) as client:
        client.writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert await client.is_hung_up()
    assert await answers(broker)


async def test_random_frames_end_only_their_own_connection(broker: Broker) -> None:
    chance = random.Random(7)
    for _ in range(60):
        async with WireClient(broker) as client:
            route = chance.choice(list(ROUTES.values()))
            head = struct.pack(">hhi", route.key, chance.randint(route.oldest, route.newest), 1)
            client.send_frame(head + chance.randbytes(chance.randint(0, 200)))
            client.writer.write_eof()
            await asyncio.wait_for(client.reader.read(), 10)
    assert await answers(broker)


@pytest.mark.parametrize("count", [2**31 - 1, -2, 100_001])
def test_an_array_longer_than_its_frame_is_never_decoded(count: int) -> None:
    frame = struct.pack(">hhih", METADATA, 8, 1, -1) + struct.pack(">i", count)

    with pytest.raises(MalformedRequest):
        decode_request(frame, decode_head(frame))


def test_garbage_is_malformed_and_nothing_else() -> None:
    chance = random.Random(11)
    bytes_of_trouble = [0, 0, 1, 2, 0x7F, 0x80, 0xFF]
    refused = 0
    for _ in range(5000):
        route = chance.choice(list(ROUTES.values()))
        version = chance.randint(route.oldest, route.newest)
        flexible = b"\0" if load_request_schema(route.key, version).__flexible__ else b""
        body = bytes(chance.choice(bytes_of_trouble) for _ in range(chance.randint(0, 60)))
        frame = struct.pack(">hhih", route.key, version, 1, -1) + flexible + body
        try:
            decode_request(frame, decode_head(frame))
        except MalformedRequest:
            refused += 1
    assert refused > 1000


@pytest.mark.parametrize("api_key", [CREATE_ACLS, CONSUMER_GROUP_HEARTBEAT, 9999])
async def test_an_api_that_is_not_served_ends_the_connection(broker: Broker, api_key: int) -> None:
    async with WireClient(broker) as client:
        client.send_frame(struct.pack(">hhih", api_key, 0, 1, -1) + b"\0\0\0\0")

        assert await client.is_hung_up()


async def test_what_is_not_served_is_not_advertised(wire: WireClient) -> None:
    answer = await wire.call(API_VERSIONS, 3, client_software_name="wire", client_software_version="1")

    advertised = {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}
    assert CONSUMER_GROUP_HEARTBEAT not in advertised
    assert CREATE_ACLS not in advertised
    assert advertised[FETCH] == (4, 12)
    assert set(advertised) == set(ROUTES)


async def test_a_version_that_is_not_served_ends_the_connection(broker: Broker) -> None:
    async with WireClient(broker) as client:
        client.send_frame(struct.pack(">hhih", FETCH, 18, 1, -1) + bytes(40))

        assert await client.is_hung_up()


async def test_a_newer_version_of_api_versions_is_answered_in_the_oldest(wire: WireClient) -> None:
    wire.send_frame(struct.pack(">hhih", API_VERSIONS, 99, 1, -1) + b"\0\0\0\0")

    answer = await wire.answer(API_VERSIONS, 0)

    assert answer.error_code is ErrorCode.unsupported_version
    assert len(answer.api_keys) == len(ROUTES)


async def test_a_damaged_batch_is_refused_and_not_stored(wire: WireClient) -> None:
    damaged = bytearray(record_batch(b"important"))
    damaged[-1] ^= 1

    refused = await produce(wire, "t", bytes(damaged))
    stored = await produce(wire, "t", record_batch(b"sound"))

    assert refused.error_code is ErrorCode.corrupt_message
    assert stored.base_offset == 0


async def test_a_batch_over_the_limit_is_refused(start_broker: StartBroker) -> None:
    broker = await start_broker(max_batch_bytes=1000)
    async with WireClient(broker) as client:
        refused = await produce(client, "t", record_batch(b"x" * 1000))

    assert refused.error_code is ErrorCode.message_too_large


async def test_a_disk_below_its_limit_answers_a_storage_error_and_keeps_reading(
    start_broker: StartBroker,
) -> None:
    first = await start_broker()
    async with WireClient(first) as client:
        await produce(client, "t", record_batch(b"before"))
    await first.stop()

    async with WireClient(await start_broker(min_free_bytes=2**62, retention=None)) as client:
        refused = await produce(client, "t", record_batch(b"now"))
        read = await fetch(client, "t", 0)

    assert refused.error_code is ErrorCode.kafka_storage_error
    assert b"before" in read.records
    assert read.high_watermark == 1


async def test_one_bad_partition_does_not_spoil_its_request(wire: WireClient) -> None:
    parts = [{"index": 0, "records": record_batch(b"a")}, {"index": 99, "records": record_batch(b"b")}]

    answer = await wire.call(
        PRODUCE,
        9,
        transactional_id=None,
        acks=-1,
        timeout=timedelta(seconds=1),
        topic_data=[{"name": "t", "partition_data": parts}],
    )

    errors = [part.error_code for part in answer.responses[0].partition_responses]
    assert errors == [ErrorCode.none, ErrorCode.unknown_topic_or_partition]


async def test_transactions_are_refused(wire: WireClient) -> None:
    producer = await wire.call(
        INIT_PRODUCER_ID,
        4,
        transactional_id="tx",
        transaction_timeout=timedelta(seconds=1),
        producer_id=-1,
        producer_epoch=-1,
    )
    coordinator = await wire.call(FIND_COORDINATOR, 4, key_type=1, coordinator_keys=("tx",))

    assert producer.error_code is ErrorCode.transactional_id_authorization_failed
    assert coordinator.coordinators[0].error_code is producer.error_code
    assert "no transactions" in coordinator.coordinators[0].error_message


async def test_an_offset_outside_the_log_is_out_of_range(wire: WireClient) -> None:
    await produce(wire, "t", record_batch(b"a"))

    assert (await fetch(wire, "t", 2)).error_code is ErrorCode.offset_out_of_range
    assert (await fetch(wire, "t", -5)).error_code is ErrorCode.offset_out_of_range
    assert (await fetch(wire, "t", 1)).error_code is ErrorCode.none
    assert (await fetch(wire, "none", 0)).error_code is ErrorCode.unknown_topic_or_partition


async def test_a_fetch_waits_until_something_is_produced(wire: WireClient, broker: Broker) -> None:
    await produce(wire, "t", record_batch(b"a"))
    async with WireClient(broker) as reader:
        send_fetch(reader, "t", 1, wait_ms=8000)
        await asyncio.sleep(0.1)

        await produce(wire, "t", record_batch(b"news"))

        async with asyncio.timeout(2):
            answer = await reader.answer(FETCH, 12)
    assert b"news" in answer.responses[0].partitions[0].records


async def test_a_fetch_gives_up_after_its_wait(wire: WireClient) -> None:
    await produce(wire, "t", record_batch(b"a"))
    before = asyncio.get_running_loop().time()

    answer = await fetch(wire, "t", 1, wait_ms=150)

    assert not answer.records
    assert 0.1 < asyncio.get_running_loop().time() - before < 2


async def test_a_fetch_for_more_bytes_than_there_are_waits_its_time(wire: WireClient) -> None:
    await produce(wire, "t", record_batch(b"a"))
    before = asyncio.get_running_loop().time()

    answer = await fetch(wire, "t", 0, wait_ms=150, min_bytes=100_000)

    assert b"a" in answer.records
    assert asyncio.get_running_loop().time() - before > 0.1


async def test_answers_come_in_the_order_of_the_requests(wire: WireClient) -> None:
    await produce(wire, "t", record_batch(b"a"))

    send_fetch(wire, "t", 1, wait_ms=300)
    wire.send(API_VERSIONS, 0)
    send_fetch(wire, "t", 0)

    assert not (await wire.answer(FETCH, 12)).responses[0].partitions[0].records
    assert (await wire.answer(API_VERSIONS, 0)).api_keys
    assert (await wire.answer(FETCH, 12)).responses[0].partitions[0].records


async def test_a_client_that_wants_no_answer_may_go_at_once(wire: WireClient, broker: Broker) -> None:
    async with WireClient(broker) as hasty:
        for number in range(5):
            records = record_batch(f"{number}".encode())
            topic = {"name": "t", "partition_data": [{"index": 0, "records": records}]}
            hasty.send(
                PRODUCE,
                9,
                transactional_id=None,
                acks=0,
                timeout=timedelta(seconds=1),
                topic_data=[topic],
            )
        await hasty.writer.drain()
    await produce(wire, "t", record_batch(b"last"), partition=1)

    async with asyncio.timeout(5):
        while (seen := (await fetch(wire, "t", 0, wait_ms=100)).high_watermark) < 5:
            await asyncio.sleep(0.01)
    assert seen == 5


async def test_more_connections_than_allowed_are_turned_away(start_broker: StartBroker) -> None:
    broker = await start_broker(max_connections=2)
    async with WireClient(broker) as first, WireClient(broker) as second:
        await first.call(API_VERSIONS, 0)
        await second.call(API_VERSIONS, 0)

        async with WireClient(broker) as third:
            assert await third.is_hung_up()
        assert (await first.call(API_VERSIONS, 0)).error_code is ErrorCode.none


async def test_a_client_that_reads_nothing_does_not_stop_the_others(wire: WireClient, broker: Broker) -> None:
    await produce(wire, "big", record_batch(os.urandom(900_000)))
    async with WireClient(broker) as deaf:
        for _ in range(200):
            send_fetch(deaf, "big", 0)

        async with asyncio.timeout(5):
            for number in range(20):
                assert (await produce(wire, "t", record_batch(b"x"))).base_offset == number


async def test_stopping_answers_a_fetch_that_waits(start_broker: StartBroker) -> None:
    broker = await start_broker()
    async with WireClient(broker) as client:
        await produce(client, "t", record_batch(b"a"))
        send_fetch(client, "t", 1, wait_ms=60_000)
        await asyncio.sleep(0.1)

        async with asyncio.timeout(3):
            await broker.stop()

        answer = await client.answer(FETCH, 12)
        assert answer.error_code is ErrorCode.none
        assert await client.is_hung_up()
