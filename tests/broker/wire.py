"""A client that says exactly what a test wants, byte by byte where needed, and record batches made to measure."""

import asyncio
import io
import struct
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from huiyin_broker import Broker
from huiyin_broker.protocol import fit

ANSWER_SECONDS = 10
_ONE_SECOND = timedelta(seconds=1)


class WireClient:
    """One connection to a broker; every call waits at most ten seconds for its answer."""

    def __init__(self, broker: Broker) -> None:
        self._address = (broker.settings.host, broker.port)
        self._correlation_id = 0

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(*self._address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.close()

    async def call(self, api_key: int, version: int, **values: Any) -> Any:
        """Send a request and return the answer."""
        self.send(api_key, version, **values)
        return await self.answer(api_key, version)

    def send(self, api_key: int, version: int, **values: Any) -> None:
        """Send a request."""
        self._correlation_id += 1
        self.send_frame(request(api_key, version, self._correlation_id, **values))

    def send_frame(self, frame: bytes) -> None:
        """Send these bytes as one frame."""
        self.writer.write(struct.pack(">i", len(frame)) + frame)

    async def answer(self, api_key: int, version: int) -> Any:
        """Return the next answer."""
        frame = await self.answer_frame()
        schema = load_response_schema(api_key, version)
        _, used = entity_reader(schema.__header_schema__)(frame, 0)
        return entity_reader(schema)(frame, used)[0]

    async def answer_frame(self) -> bytes:
        """Return the bytes of the next answer. Raises IncompleteReadError when the broker hangs up."""
        async with asyncio.timeout(ANSWER_SECONDS):
            (length,) = struct.unpack(">i", await self.reader.readexactly(4))
            return await self.reader.readexactly(length)

    async def is_hung_up(self) -> bool:
        """Wait until the broker ends the connection; False when it says something or waits too long."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


def request(api_key: int, version: int, correlation_id: int, **values: Any) -> bytes:
    """Return a request frame without its length."""
    schema = load_request_schema(api_key, version)
    header = schema.__header_schema__
    head = {
        "request_api_key": api_key,
        "request_api_version": version,
        "correlation_id": correlation_id,
        "client_id": "wire",
    }
    buffer = io.BytesIO()
    entity_writer(header)(buffer, fit(header, head))
    entity_writer(schema)(buffer, fit(schema, values))
    return buffer.getvalue()


def record_batch(
    *values: bytes,
    producer_id: int = -1,
    epoch: int = -1,
    sequence: int = -1,
    timestamp_ms: int = 1_700_000_000_000,
    compression: int = 0,
    transactional: bool = False,
) -> bytes:
    """Return a batch of these values, one millisecond apart."""
    builder = DefaultRecordBatchBuilder(
        2, compression, transactional, producer_id, epoch, sequence, batch_size=10_000_000
    )
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=timestamp_ms + offset, key=None, value=value, headers=[])
    return bytes(builder.build())


async def produce(client: WireClient, topic: str, records: bytes, *, partition: int = 0) -> Any:
    """Produce one batch; return the partition's answer."""
    answer = await client.call(
        0,
        9,
        transactional_id=None,
        acks=-1,
        timeout=_ONE_SECOND,
        topic_data=[{"name": topic, "partition_data": [{"index": partition, "records": records}]}],
    )
    return answer.responses[0].partition_responses[0]


async def fetch(
    client: WireClient, topic: str, offset: int, *, partition: int = 0, wait_ms: int = 0, min_bytes: int = 1
) -> Any:
    """Fetch from one partition; return the partition's answer."""
    send_fetch(client, topic, offset, partition=partition, wait_ms=wait_ms, min_bytes=min_bytes)
    answer = await client.answer(1, 12)
    return answer.responses[0].partitions[0]


def send_fetch(
    client: WireClient, topic: str, offset: int, *, partition: int = 0, wait_ms: int = 0, min_bytes: int = 1
) -> None:
    """Ask for records without waiting for the answer."""
    wanted = {
        "partition": partition,
        "current_leader_epoch": -1,
        "fetch_offset": offset,
        "last_fetched_epoch": -1,
        "log_start_offset": -1,
        "partition_max_bytes": 1_000_000,
    }
    client.send(
        1,
        12,
        replica_id=-1,
        max_wait=wait_ms * _ONE_SECOND / 1000,
        min_bytes=min_bytes,
        max_bytes=10_000_000,
        isolation_level=0,
        session_id=0,
        session_epoch=-1,
        topics=[{"topic": topic, "partitions": [wanted]}],
        forgotten_topics_data=(),
        rack_id="",
    )
