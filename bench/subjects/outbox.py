"""One outbox, filled and then emptied: `python -m bench.subjects.outbox DATABASE BOOTSTRAP ROWS`.

Prints JSON with the seconds and the CPU seconds of three ways: `outlet` takes and deletes all rows but hands them to
nobody (the relay without its broker), `relay` is the relay as it runs in a service, and `produce` sends the same records
with a bare aiokafka producer, in batches of the same size.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time
from typing import Any, Final

import uuid_utils
import uvloop
from sqlalchemy import select

from bench.texts import complaint
from huiyin_chassis.db import Database
from huiyin_contracts.feedback import FeedbackReceived
from huiyin_eventbus import headers
from huiyin_eventbus.kafka import KafkaSettings, drop_producer, ensure_topics, make_producer
from huiyin_eventbus.outbox import append
from huiyin_eventbus.publishing import BATCH, outlet_of
from huiyin_eventbus.relay import Relay
from huiyin_eventbus.tables import outbox

_TOPIC: Final = "feedback.received"
_LOOK_SECONDS: Final = 0.01
_IDLE_MILLISECONDS: Final = 60_000


def _event(number: int) -> FeedbackReceived:
    body = {**complaint(number % 64), "external_id": str(number)}
    return FeedbackReceived(feedback_id=str(uuid_utils.uuid7()), received_at=datetime.now(UTC), **body)


async def _fill(database: Database, count: int) -> None:
    """Append events in one transaction, so that all of them are there at once."""
    async with database.writing() as tx:
        for first in range(0, count, BATCH):
            await append(tx, *(_event(number) for number in range(first, min(first + BATCH, count))))


async def _is_empty(database: Database) -> bool:
    async with database.reading() as tx:
        return (await tx.execute(select(outbox.c.seq).limit(1))).first() is None


async def _through_outlet(database: Database, _kafka: KafkaSettings) -> None:
    outlet = outlet_of(database, idle_milliseconds=_IDLE_MILLISECONDS)
    try:
        while await outlet.publish_batch(_to_nobody):
            pass
    finally:
        outlet.close()


async def _to_nobody(_rows: Sequence[Any]) -> None:
    """Take a batch as if it had been acknowledged."""


async def _measured(work: Callable[[], Awaitable[None]]) -> dict[str, float]:
    began, cpu = perf_counter(), process_time()
    await work()
    return {"seconds": perf_counter() - began, "cpu_seconds": process_time() - cpu}


async def _by_relay(database: Database, kafka: KafkaSettings, count: int) -> dict[str, float]:
    """Return what a relay that runs already needs for rows that appear all at once."""
    relay = Relay(database, kafka, service="intake")
    await relay.start()
    try:
        await _fill(database, BATCH)
        await _until_empty(database)
        await _fill(database, count)
        relay.wake()
        return await _measured(lambda: _until_empty(database))
    finally:
        await relay.stop(flush=timedelta(seconds=1))


async def _until_empty(database: Database) -> None:
    while not await _is_empty(database):  # noqa: ASYNC110 - the relay tells nobody
        await asyncio.sleep(_LOOK_SECONDS)


async def _produced(database: Database, kafka: KafkaSettings, count: int) -> dict[str, float]:
    """Return what a bare producer needs for records as they stand in an outbox."""
    await _fill(database, BATCH)
    async with database.reading() as tx:
        rows = (await tx.execute(select(outbox))).all()
    await _through_outlet(database, kafka)
    records = [(row.payload, row.key.encode(), headers.from_text(row.headers)) for row in rows]
    producer = make_producer(kafka, name="bench")
    await ensure_topics(kafka, [_TOPIC])
    await producer.start()

    async def send() -> None:
        for _ in range(0, count, BATCH):
            sent = [
                await producer.send(_TOPIC, payload, key=key, headers=told) for payload, key, told in records
            ]
            await asyncio.gather(*sent)

    try:
        await producer.send_and_wait(_TOPIC, records[0][0], key=records[0][1], headers=records[0][2])
        return await _measured(send)
    finally:
        await drop_producer(producer)


async def _run(url: str, bootstrap: str, count: int) -> dict[str, dict[str, float]]:
    database = Database(url)
    kafka = KafkaSettings(bootstrap=bootstrap)
    try:
        await _fill(database, count)
        return {
            "outlet": await _measured(lambda: _through_outlet(database, kafka)),
            "relay": await _by_relay(database, kafka, count),
            "produce": await _produced(database, kafka, count),
        }
    finally:
        await database.close()


def main() -> None:
    """Measure and print."""
    url, bootstrap, count = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print("done", json.dumps(runner.run(_run(url, bootstrap, int(count)))), flush=True)


if __name__ == "__main__":
    main()
