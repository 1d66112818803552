"""The relay: publishes the outbox, batch after batch, and never gives up.

A batch is sent, every acknowledgement awaited, then its rows are deleted. When anything fails, the producer is thrown
away and the same batch is sent again by a new one, with the same ids: readers may see an event twice, their inboxes do
not take it twice. Any number of relays may run: `claims` keeps the order.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from huiyin_eventbus import metrics
from huiyin_eventbus.cancellation import foreign_cancellation_as_error
from huiyin_eventbus.database import Database
from huiyin_eventbus.errors import BrokerMoved
from huiyin_eventbus.grievances import Grievances
from huiyin_eventbus.kafka import (
    KafkaSettings,
    check_client,
    drop_producer,
    ensure_topics,
    make_producer,
    milliseconds,
)
from huiyin_eventbus.outbox import Backlog, outbox_backlog
from huiyin_eventbus.packing import pack
from huiyin_eventbus.publishing import BATCH, OutboxRow, outlet_of
from huiyin_failpoints import reach

_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """How patient a relay is: of one batch, between looks at an idle outbox, and after failures.

    `linger` is how long events may gather after a batch that emptied the outbox.
    """

    linger: timedelta = timedelta()
    deadline: timedelta = timedelta(seconds=60)
    poll: timedelta = timedelta(milliseconds=50)
    slowest_poll: timedelta = timedelta(milliseconds=250)
    slowest_retry: timedelta = timedelta(seconds=5)


class Relay:
    """Publishes the outbox of one service while it runs.

    `healthy` is false from a failure until the next success: the outbox keeps everything meanwhile.
    """

    def __init__(
        self, database: Database, kafka: KafkaSettings, *, service: str, settings: RelaySettings | None = None
    ) -> None:
        self._settings = settings or RelaySettings()
        self._database = database
        self._kafka = kafka
        self._service = service
        # PostgreSQL ends a frozen relay's transaction some time after the relay itself would have given up.
        idle = milliseconds(self._settings.deadline + timedelta(seconds=15))
        self._outlet = outlet_of(database, idle_milliseconds=idle)
        self._producer: AIOKafkaProducer | None = None
        self._dropping: asyncio.Task[None] | None = None
        self._address = ""
        self._topics: set[str] = set()
        self._woken = asyncio.Event()
        self._stop = asyncio.Event()
        self._failures = Grievances("publish_failed")
        self._task: asyncio.Task[None] | None = None
        self.healthy = True

    def wake(self) -> None:
        """Say that the outbox has rows; quick, and safe to call too often."""
        self._woken.set()

    async def start(self) -> None:
        """Begin to publish in the background; a broker out of reach is no error here."""
        self._stop.clear()
        self._task = asyncio.create_task(self._run(), name=f"relay-{self._service}")

    async def stop(self, *, flush: timedelta = timedelta(seconds=5)) -> None:
        """Publish what waits, for at most `flush`, then end; what remains stays in the outbox."""
        if self._task is None:
            return
        self._stop.set()
        self.wake()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._task, flush.total_seconds())
        self._task = None
        await self._drop_producer()
        self._outlet.close()

    async def measure(self) -> Backlog:
        """Set the backlog's metrics from the database, and return it."""
        async with self._database.reading() as tx:
            backlog = await outbox_backlog(tx)
        age = datetime.now(UTC) - backlog.oldest_at if backlog.oldest_at else timedelta()
        metrics.outbox_rows.labels(self._service).set(backlog.rows)
        metrics.outbox_oldest_seconds.labels(self._service).set(age.total_seconds())
        return backlog

    async def _run(self) -> None:
        pause, failures = self._settings.poll, 0
        while True:
            self._woken.clear()
            # Asked before the outbox is read: what is appended until then is flushed too.
            is_last_look = self._stop.is_set()
            try:
                with foreign_cancellation_as_error():
                    published = await self._outlet.publish_batch(self._publish)
            except Exception as error:  # noqa: BLE001  # a relay outlives everything, the outbox keeps the events
                failures += 1
                await self._recover(error, failures=failures)
                continue
            failures, self.healthy = 0, True
            if published:
                pause = self._settings.poll
            if published == BATCH:
                continue
            if is_last_look and not published:
                return
            if published:
                await self._linger()
            if await self._is_woken(within=pause):
                pause = self._settings.poll
            else:
                pause = min(pause * 2, self._settings.slowest_poll)

    async def _publish(self, rows: Sequence[OutboxRow]) -> None:
        """Return once the broker has acknowledged every row; raises whatever is in the way."""
        reach("relay.before_produce")
        acknowledgements: list[asyncio.Future[RecordMetadata]] = []
        try:
            async with asyncio.timeout(self._settings.deadline.total_seconds()):
                producer = await self._useful_producer()
                packs = pack(producer, rows, partitions=await self._partitions(producer, rows))
                # Sent in the order of the rows, and within one partition the producer keeps it.
                for number, each in enumerate(packs):
                    if number == len(packs) // 2:
                        reach("relay.mid_batch")
                    sent = producer.send_batch(each.batch, each.topic, partition=each.partition)
                    acknowledgements.append(await sent)
                await self._acknowledged(producer, acknowledgements)
        finally:
            for acknowledgement in acknowledgements:
                # What is given up may fail later, and the loop would tell of an error that nobody has seen.
                acknowledgement.add_done_callback(_see_error)
        reach("relay.after_produce")
        metrics.published_total.labels(self._service).inc(len(rows))

    async def _acknowledged(
        self, producer: AIOKafkaProducer, acknowledgements: Sequence[asyncio.Future[RecordMetadata]]
    ) -> None:
        """Return once all are there; raises the error of one that failed, or why none will come any more."""
        waiting = set(acknowledgements)
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=_LOOK_SECONDS)
            if waiting:
                self._check_way(producer)
        for each in acknowledgements:
            each.result()

    def _check_way(self, producer: AIOKafkaProducer) -> None:
        if self._kafka.address() != self._address:
            raise BrokerMoved(self._address)
        check_client(producer.client)

    async def _partitions(self, producer: AIOKafkaProducer, rows: Sequence[OutboxRow]) -> dict[str, int]:
        topics = {row.topic for row in rows}
        async with self._kafka.answering():
            await self._know_topics(topics)
            return {topic: len(await producer.partitions_for(topic)) for topic in topics}

    async def _useful_producer(self) -> AIOKafkaProducer:
        """Return the producer there is, or a new one; raises when the one there is would wait for ever."""
        if self._producer is None:
            return await self._new_producer()
        self._check_way(self._producer)
        return self._producer

    async def _new_producer(self) -> AIOKafkaProducer:
        self._address = self._kafka.address()
        producer = make_producer(self._kafka, name=f"{self._service}-relay")
        # Kept before it is started, so that a start that fails half-way is cleaned up too.
        self._producer = producer
        async with self._kafka.answering():
            await producer.start()
        return producer

    async def _know_topics(self, topics: set[str]) -> None:
        unknown = topics - self._topics
        if unknown:
            await ensure_topics(self._kafka, unknown)
            self._topics |= unknown

    async def _recover(self, error: Exception, *, failures: int) -> None:
        self.healthy = False
        metrics.publish_failures_total.labels(self._service).inc()
        self._failures.tell(error, service=self._service, failures=failures)
        await self._drop_producer()
        self._topics.clear()
        pause = min(0.1 * 2 ** min(failures, 10), self._settings.slowest_retry.total_seconds())
        # A wake-up does not shorten it: a busy service would hammer a broker that is down.
        await asyncio.sleep(pause)

    async def _linger(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), self._settings.linger.total_seconds())

    async def _is_woken(self, *, within: timedelta) -> bool:
        try:
            await asyncio.wait_for(self._woken.wait(), within.total_seconds())
        except TimeoutError:
            return False
        return True

    async def _drop_producer(self) -> None:
        """Return once the producer is dropped; a relay that is cut off meanwhile drops it to the end when it is stopped."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._dropping = asyncio.create_task(drop_producer(producer))
        if self._dropping is not None:
            # One that is half dropped would look for its broker for ever.
            await asyncio.shield(self._dropping)
            self._dropping = None


def _see_error(future: asyncio.Future[RecordMetadata]) -> None:
    if not future.cancelled():
        future.exception()
