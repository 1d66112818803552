"""The chain's own limit: the events, deliveries and rows of a suite on Huiyin's libraries, and nothing that is Huiyin's.

One process accepts feedback (FastAPI, commits coalesced), publishes it and lets four readers answer as router, sla, desk
and analytics do: the same topics, the same contracts read and written by pydantic, an inbox row and an effect per event
and reader, an outbox row per event, offsets in the same durable transaction. No classifier, no clocks, no figures, no keys, no
second chance for anything. What Huiyin costs beyond it is what Huiyin does: `python -m bench.references.bare_chain`, with the
settings of an installation in the environment.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import uuid_utils
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from fastapi import FastAPI

from bench.references.bare import Accepted, Feedback
from bench.references.bare_stores import Batch, PostgresqlStore, SqliteStore, Store
from huiyin_broker.server import Broker
from huiyin_broker.settings import BrokerSettings
from huiyin_chassis.logging import configure_logging
from huiyin_contracts.event import Event
from huiyin_contracts.feedback import FeedbackClassified, FeedbackReceived, Labels
from huiyin_contracts.sla import ScheduledClock, SlaScheduledV2
from huiyin_contracts.tickets import TicketRouted
from huiyin_contracts.vocabulary import (
    ClockState,
    Nature,
    Outcome,
    RoutingReason,
    Sentiment,
    Target,
    Urgency,
)
from huiyin_eventbus.kafka import KafkaSettings, ensure_topics, make_producer

PARTITIONS: Final = 12
_MOST_AT_ONCE: Final = 500
_MOST_PER_COMMIT: Final = 256
_DAY: Final = timedelta(days=1)
_LABELS: Final = Labels(
    nature=Nature.COMPLAINT,
    type="service",
    subtype="attitude",
    urgency=Urgency.NORMAL,
    sentiment=Sentiment.NEGATIVE,
)


def decided(received: FeedbackReceived) -> list[Event]:
    """Return what router says of a complaint: its outcome and its routing."""
    now, case_id = datetime.now(UTC), received.feedback_id
    shared = {
        "feedback_id": case_id,
        "ticket_id": case_id,
        "labels": _LABELS,
        "channel": received.channel,
        "product": received.product,
        "occurred_at": received.occurred_at,
        "received_at": received.received_at,
    }
    outcome = FeedbackClassified(
        **shared,
        case_id=case_id,
        outcome=Outcome.TICKET,
        department="service",
        model="bare",
        decided_by="bare",
        classified_at=now,
    )
    routing = TicketRouted(
        **shared,
        department="service",
        reason=RoutingReason.RULE,
        priority=5,
        kind=received.kind,
        text=received.text,
        author=received.author,
        routed_at=now,
    )
    return [outcome, routing]


def scheduled(routed: TicketRouted) -> list[Event]:
    """Return what sla says of a routing: three clocks."""
    clocks = [
        ScheduledClock(
            target=target,
            policy="ordinary",
            due_at=routed.routed_at + _DAY,
            state=ClockState.RUNNING,
            started_at=routed.routed_at,
            calendar="cn",
            calendar_version="bare",
        )
        for target in (Target.CLASSIFICATION, Target.RESPONSE, Target.RESOLUTION)
    ]
    told = SlaScheduledV2(
        ticket_id=routed.ticket_id, department="service", scheduled_at=routed.routed_at, clocks=tuple(clocks)
    )
    return [told]


@dataclass(frozen=True, slots=True)
class Reader:
    """A service by what it takes, and what it answers to one of those."""

    name: str
    takes: tuple[type[Event], ...]
    answers: Callable[[Any], list[Event]] | None = None
    to: type[Event] | None = None


READERS: Final = (
    Reader("router", (FeedbackReceived,), decided, FeedbackReceived),
    Reader("sla", (FeedbackReceived, FeedbackClassified, TicketRouted), scheduled, TicketRouted),
    Reader("desk", (TicketRouted, SlaScheduledV2)),
    Reader("analytics", (FeedbackReceived, FeedbackClassified, TicketRouted, SlaScheduledV2)),
)
_TOPICS: Final = tuple(event.TYPE for event in READERS[-1].takes)


class Relay:
    """Publishes one store's outbox in order, as soon as it is told that there is something."""

    def __init__(self, store: Store, producer: AIOKafkaProducer) -> None:
        self._store = store
        self._producer = producer
        self.news = asyncio.Event()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self.news.wait()
            self.news.clear()
            while rows := await self._store.waiting():
                sent = [
                    await self._producer.send(
                        topic,
                        payload,
                        key=key.encode(),
                        headers=[(name, value.encode()) for name, value in json.loads(headers).items()],
                    )
                    for _, topic, key, headers, payload in rows
                ]
                await asyncio.gather(*sent)
                await self._store.forget(rows[-1][0])


class Intake:
    """Takes feedback; what comes while a commit goes on is committed together."""

    def __init__(self, store: Store, relay: Relay) -> None:
        self._store = store
        self._relay = relay
        self._waiting: list[tuple[FeedbackReceived, asyncio.Future[None]]] = []
        self._some = asyncio.Event()

    async def accept(self, body: Feedback) -> Accepted:
        """Answer when the feedback is on disk."""
        feedback_id = str(uuid_utils.uuid7())
        event = FeedbackReceived(
            feedback_id=feedback_id, received_at=datetime.now(UTC), **body.model_dump(exclude_none=True)
        )
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((event, done))
        self._some.set()
        await done
        return Accepted(id=feedback_id)

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._some.wait()
            taken, self._waiting = self._waiting[:_MOST_PER_COMMIT], self._waiting[_MOST_PER_COMMIT:]
            if not self._waiting:
                self._some.clear()
            effects = {event.feedback_id: event.text for event, _ in taken}
            await self._store.write(Batch(effects=effects, events=[event for event, _ in taken]))
            for _, done in taken:
                if not done.done():
                    done.set_result(None)
            self._relay.news.set()


async def read(reader: Reader, store: Store, relay: Relay, consumer: AIOKafkaConsumer) -> None:
    """Take what the log has for a reader, a transaction per batch, until cancelled."""
    models = {event.TYPE: event for event in reader.takes}
    while True:
        records = await consumer.getmany(timeout_ms=1000, max_records=_MOST_AT_ONCE)
        if records:
            await store.write(_batch(reader, records, models))
            relay.news.set()


def _batch(
    reader: Reader, records: Mapping[TopicPartition, Sequence[Any]], models: Mapping[str, type[Event]]
) -> Batch:
    batch = Batch()
    for place, found in records.items():
        model = models[place.topic]
        for record in found:
            event = model.model_validate_json(record.value)
            batch.seen.append(dict(record.headers)["ce_id"].decode())
            batch.effects[event.key] = place.topic
            if model is reader.to and reader.answers is not None:
                batch.events += reader.answers(event)
        batch.offsets.append((place.topic, place.partition, found[-1].offset + 1))
    return batch


@asynccontextmanager
async def chain(data_dir: Path, *, database_url: str, bootstrap: str) -> AsyncIterator[FastAPI]:
    """Give the app of a running chain on migrated databases; without `bootstrap` it has a broker of its own."""
    async with AsyncExitStack() as held:
        if not bootstrap:
            broker = Broker(BrokerSettings(path=data_dir / "broker.db", port=0, partitions=PARTITIONS))
            await broker.start()
            held.push_async_callback(broker.stop)
            bootstrap = broker.bootstrap
            (data_dir / "broker.port").write_text(bootstrap.rsplit(":", 1)[1])
        kafka = KafkaSettings(bootstrap=bootstrap, partitions=PARTITIONS)
        await ensure_topics(kafka, _TOPICS)

        async def part(name: str) -> tuple[Store, Relay]:
            store = _store(name, data_dir, database_url)
            await store.open()
            held.push_async_callback(store.close)
            producer = make_producer(kafka, name=name)
            await producer.start()
            held.push_async_callback(producer.stop)
            relay = Relay(store, producer)
            held.push_async_callback(_ended, asyncio.create_task(relay.run()))
            return store, relay

        for reader in READERS:
            store, relay = await part(reader.name)
            consumer = await _consumer(reader, store, kafka)
            held.push_async_callback(consumer.stop)
            held.push_async_callback(_ended, asyncio.create_task(read(reader, store, relay, consumer)))
        intake = Intake(*await part("intake"))
        held.push_async_callback(_ended, asyncio.create_task(intake.run()))
        app = FastAPI()
        app.add_api_route("/v1/feedback", intake.accept, methods=["POST"], status_code=202)
        yield app


async def _consumer(reader: Reader, store: Store, kafka: KafkaSettings) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    places = [(event.TYPE, part) for event in reader.takes for part in range(PARTITIONS)]
    consumer.assign([TopicPartition(*place) for place in places])
    await store.write(Batch(offsets=[(*place, 0) for place in places]))
    return consumer


def _store(name: str, data_dir: Path, database_url: str) -> Store:
    if database_url:
        return PostgresqlStore(database_url.replace("{service}", name), group=name)
    return SqliteStore(data_dir / f"{name}.db", group=name)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _serve() -> None:
    settings = (os.environ.get(f"HUIYIN_{name}", "") for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP"))
    database_url, bootstrap = settings
    data_dir = Path(os.environ["HUIYIN_DATA_DIR"])
    async with chain(data_dir, database_url=database_url, bootstrap=bootstrap) as app:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.01)
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        print(f"ready http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
        await serving


if __name__ == "__main__":
    configure_logging("warning")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve())
