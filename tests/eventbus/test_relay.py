"""The relay: what is committed is published, in order, and nothing else."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from huiyin_broker import Broker, BrokerSettings
from huiyin_chassis.db import Database
from huiyin_contracts.event import Envelope
from huiyin_eventbus import tracing
from huiyin_eventbus.claims import FileLock
from huiyin_eventbus.kafka import KafkaSettings
from huiyin_eventbus.outbox import append
from huiyin_eventbus.relay import RelaySettings
from huiyin_eventbus.tables import outbox
from tests.eventbus.conftest import opened
from tests.eventbus.driver import BusDriver, probe_event, until

WRITERS, EACH, KEYS = 8, 40, 10
# Longer than a client's first start in a cold process on a busy machine: one that is cut off while it connects leaves its
# connection open.
IMPATIENT = RelaySettings(deadline=timedelta(seconds=6), slowest_retry=timedelta(milliseconds=200))


class CrashingDatabase:
    """A database that a relay loses once, when it wants to delete what the broker has acknowledged."""

    def __init__(self, database: Database, *, crash: Exception | None = None) -> None:
        self._database = database
        self._error = crash or OperationalError("DELETE", {}, ConnectionResetError("gone"))
        self.crashes = 0
        self.dialect_name = database.dialect_name
        self.path = database.path

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Roll the first transaction back after its work."""
        async with self._database.writing() as tx:
            if self.crashes == 0 and self.dialect_name == "sqlite":
                self._crash()
            yield tx
            if self.crashes == 0:
                self._crash()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Read as ever."""
        async with self._database.reading() as tx:
            yield tx

    def _crash(self) -> None:
        self.crashes += 1
        raise self._error


def envelopes_of(records: list[object]) -> list[Envelope]:
    return [Envelope.from_headers(record.headers, record.value) for record in records]  # type: ignore[attr-defined]  # aiokafka's record


async def test_order_per_key_holds_with_three_relays_and_eight_writers(every_bus: BusDriver) -> None:
    for _ in range(3):
        await every_bus.relay()

    async def write(writer: int) -> None:
        for n in range(EACH):
            await every_bus.append(
                every_bus.probe(writer, key=f"case-{n % KEYS}"), every_bus.probe(writer, key="busy")
            )

    await asyncio.gather(*[write(writer) for writer in range(WRITERS)])
    await every_bus.until_published()

    sequences = defaultdict(list)
    records = await every_bus.log()
    for record, envelope in zip(records, envelopes_of(list(records)), strict=True):
        sequences[record.key].append(envelope.sequence)
    assert len(records) == 2 * WRITERS * EACH
    assert sequences[b"busy"] == list(range(1, WRITERS * EACH + 1))
    assert all(found == list(range(1, len(found) + 1)) for found in sequences.values())


async def test_a_rolled_back_transaction_publishes_nothing(bus: BusDriver) -> None:
    with pytest.raises(ZeroDivisionError):
        await bus.append_and_fail(bus.probe(1))

    await bus.publish(bus.probe(2))

    (record,) = await bus.log()
    assert b'"number":2' in (record.value or b"")


async def test_a_crash_between_acknowledgement_and_deletion_publishes_the_same_ids_and_changes_nothing(
    every_bus: BusDriver,
) -> None:
    crashing = CrashingDatabase(every_bus.database)
    await every_bus.append(*[every_bus.probe(n, key=f"case-{n % 3}") for n in range(30)])

    await every_bus.relay(database=crashing, settings=IMPATIENT)
    await every_bus.until_published()
    await every_bus.consumer()
    await every_bus.append(every_bus.probe(99))
    effects = await every_bus.until_effects(31)

    published = Counter(envelope.id for envelope in envelopes_of(list(await every_bus.log())))
    assert crashing.crashes == 1
    assert sorted(published.values()) == [1] + [2] * 30
    assert sorted(row.number for row in effects) == [*range(30), 99]


async def test_the_trace_goes_through_the_outbox_into_the_log(bus: BusDriver) -> None:
    traceparent = tracing.new_traceparent()

    with tracing.traced(traceparent):
        await bus.publish(bus.probe(1))

    (record,) = await bus.log()
    assert ("traceparent", traceparent.encode()) in record.headers


async def test_a_relay_that_is_woken_need_not_wait_for_its_next_look(bus: BusDriver) -> None:
    slow = RelaySettings(poll=timedelta(seconds=30), slowest_poll=timedelta(seconds=30))
    relay = await bus.relay(settings=slow)
    await until(lambda: _is_true(relay.healthy))
    await asyncio.sleep(0.2)

    await bus.append(bus.probe(1))
    relay.wake()

    await asyncio.wait_for(bus.until_published(), 10)
    assert len(await bus.log()) == 1


async def test_stopping_publishes_what_waits(bus: BusDriver) -> None:
    relay = await bus.relay()
    await bus.append(*[bus.probe(n) for n in range(700)])

    await relay.stop(flush=timedelta(seconds=15))

    assert await bus.outbox_is_empty()
    assert len(await bus.log()) == 700


async def _is_true(value: object) -> bool:
    return bool(value)


@pytest.fixture
async def local(broker: Broker, tmp_path: Path, database: Database) -> AsyncIterator[BusDriver]:
    """Give a bus on an embedded broker that the test may stop."""
    driver = BusDriver(KafkaSettings(bootstrap=broker.bootstrap), database, event=probe_event("probe.local"))
    yield driver
    await driver.close()


async def test_a_broker_that_restarts_under_load_gets_everything_from_a_new_producer(
    broker: Broker, local: BusDriver, tmp_path: Path
) -> None:
    port = broker.port
    relay = await local.relay(settings=IMPATIENT)

    async def write() -> None:
        for n in range(60):
            await local.append(local.probe(n, key=f"case-{n % 5}"))
            await asyncio.sleep(0.02)

    writing = asyncio.create_task(write())
    await asyncio.sleep(0.4)
    await broker.stop()
    await until(lambda: _is_true(not relay.healthy))
    again = Broker(BrokerSettings(path=tmp_path / "broker.db", port=port))
    await again.start()
    await writing
    await local.until_published()

    await local.consumer()
    effects = await local.until_effects(60)
    records = await local.log()
    await local.close()
    await again.stop()
    first_seen = dict.fromkeys(
        (envelope.partition_key, envelope.sequence) for envelope in envelopes_of(list(records))
    )
    for case in range(5):
        assert [number for key, number in first_seen if key == f"case-{case}"] == list(range(1, 13))
    assert sorted(row.number for row in effects) == list(range(60))
    assert relay.healthy


async def test_a_bug_in_the_relay_leaves_a_traceback_and_is_survived(bus: BusDriver) -> None:
    crashing = CrashingDatabase(bus.database, crash=TypeError("a bug of ours"))
    await bus.append(bus.probe(1))

    with capture_logs() as logs:
        await bus.relay(database=crashing)
        await bus.until_published()

    (failed,) = [each for each in logs if each["event"] == "publish_failed"]
    assert (failed["log_level"], failed["error"]) == ("error", "TypeError")
    assert isinstance(failed["exc_info"], TypeError)


async def test_an_unreachable_broker_leaves_everything_in_the_outbox(database: Database) -> None:
    bus = BusDriver(KafkaSettings(bootstrap="127.0.0.1:1"), database, event=probe_event("probe.unreachable"))
    await bus.append(bus.probe(1))

    relay = await bus.relay(settings=IMPATIENT)
    await until(lambda: _is_true(not relay.healthy))
    await bus.close()

    assert not await bus.outbox_is_empty()


async def test_what_the_broker_does_not_acknowledge_stays_in_the_outbox(
    database: Database, tmp_path: Path
) -> None:
    # It takes requests and answers them, but has no room for a single record.
    full = Broker(BrokerSettings(path=tmp_path / "full.db", port=0, min_free_bytes=2**62))
    await full.start()
    bus = BusDriver(KafkaSettings(bootstrap=full.bootstrap), database, event=probe_event("probe.refused"))
    await bus.append(*[bus.probe(n) for n in range(10)])
    relay = await bus.relay(settings=IMPATIENT)

    async def has_given_up_or_deleted() -> bool:
        return not relay.healthy or await bus.outbox_is_empty()

    await until(has_given_up_or_deleted)

    assert await bus.count(select(func.count()).select_from(outbox)) == 10
    await bus.close()
    await full.stop()


@pytest.mark.postgresql
async def test_an_event_that_commits_after_later_numbers_is_published_too(
    broker: Broker, postgresql_url: str
) -> None:
    async with opened(postgresql_url) as database:
        bus = BusDriver(KafkaSettings(bootstrap=broker.bootstrap), database, event=probe_event("probe.late"))
        await bus.relay()
        async with database.writing() as late:
            await append(late, bus.probe(1, key="late"))
            await bus.append(bus.probe(2, key="early"))
            await bus.until_published()

        await until(bus.outbox_is_empty, seconds=5)

        assert sorted(each.partition_key or "" for each in envelopes_of(list(await bus.log()))) == [
            "early",
            "late",
        ]
        await bus.close()


def test_one_process_at_a_time_holds_a_file_lock(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "x.lock"), FileLock(tmp_path / "x.lock")

    assert first.try_take()
    assert first.try_take()
    assert not second.try_take()
    first.release()

    with second:
        assert second.try_take()
        assert not first.try_take()
    assert first.try_take()
    first.release()
