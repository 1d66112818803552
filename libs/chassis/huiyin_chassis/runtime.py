"""One running service: its settings, database and the tasks around them.

Start: schema checked, `on_start`, relay, consumer, jobs. Stop, once the HTTP door is shut: jobs, consumer (drains its
batch and leaves its group), group writers, relay (flushes the outbox), database. Correctness depends on none of it:
whatever is cut short is taken up again at the next start.
"""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, cast

import structlog
from fastapi import Depends, Request

from huiyin_chassis.admission import Admission
from huiyin_chassis.db import Database
from huiyin_chassis.health import Health, database_probe
from huiyin_chassis.jobs import JobRunner
from huiyin_chassis.revisions import is_current
from huiyin_chassis.service import Job, Service
from huiyin_chassis.settings import Settings, load
from huiyin_chassis.writer import AtOnce, Flush, GroupWriter

if TYPE_CHECKING:
    from huiyin_eventbus.consumer import Consumer
    from huiyin_eventbus.kafka import KafkaSettings
    from huiyin_eventbus.relay import Relay

log = structlog.get_logger()

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Runtime:
    """What the doors of one service share while it runs.

    `settings` are the service's own (an instance of `service.settings`), `suite` those of the whole suite;
    `admin_sha256` is the digest of the operator's key.
    """

    def __init__(
        self,
        service: Service,
        suite: Settings,
        *,
        database: Database | None = None,
        settings: Any = None,
        admin_sha256: str | None = None,
    ) -> None:
        self.service = service
        self.suite = suite
        self.settings: Any = settings if settings is not None else load(service.settings)
        self.database = database or Database(suite.database_url_of(service.name))
        self.admin_sha256 = admin_sha256
        self.relay: Relay | None = None
        self.consumer: Consumer | None = None
        self.jobs = JobRunner(self, [*service.jobs, *_house_jobs(service)])
        self.health = Health({"database": database_probe(self.database)})
        path = self.database.path
        self.admission = Admission(
            service.name,
            outbox_limit=suite.outbox_limit,
            min_free_share=suite.min_free_share,
            folder=path.parent.absolute() if path is not None else None,
        )
        self._writers: dict[object, GroupWriter[Any, Any]] = {}

    def group_writer(
        self, flush: Flush[Item, Answer], *, at_once: AtOnce[Item, Answer] | None = None
    ) -> GroupWriter[Item, Answer]:
        """Return this service's group writer for a flush, made on first use and drained when the service stops."""
        wanted = (flush, at_once)
        if wanted not in self._writers:
            self._writers[wanted] = GroupWriter(self.database, flush, at_once=at_once)
        return cast("GroupWriter[Item, Answer]", self._writers[wanted])

    async def start(self, kafka: "KafkaSettings | None") -> None:
        """Start everything but the HTTP door; without Kafka neither relay nor consumer.

        Raises MigrationsPending or DatabaseIsNewer when the schema is not the one this code needs.
        """
        await self._check_schema()
        if self.service.on_start is not None:
            await self.service.on_start(self)
        if kafka is not None:
            await self._start_bus(kafka)
        self.jobs.start()
        self.health.has_started = True
        log.info("service_started", service=self.service.name, database=self.database.dialect_name)

    async def stop(self) -> None:
        """Finish what is in progress and close the database; the HTTP door must be shut before."""
        self.health.is_stopping = True
        async with AsyncExitStack() as steps:
            # Last in, first out; each step is taken even when one before it failed.
            steps.push_async_callback(self.database.close)
            if self.relay is not None:
                steps.push_async_callback(self.relay.stop)
            for writer in self._writers.values():
                steps.push_async_callback(writer.close)
            if self.consumer is not None:
                steps.push_async_callback(self.consumer.stop)
            steps.push_async_callback(self.jobs.stop)
        if self.health.has_started:
            log.info("service_stopped", service=self.service.name)

    async def _check_schema(self) -> None:
        if not await is_current(self.database, self.service):
            from huiyin_chassis.migrate import check_current  # noqa: PLC0415 - only to say what is wrong

            await check_current(self.database, self.service)

    async def _start_bus(self, kafka: "KafkaSettings") -> None:
        # aiokafka takes long to import, and commands that only look at a database do without.
        from huiyin_eventbus.consumer import Consumer, ConsumerSettings  # noqa: PLC0415
        from huiyin_eventbus.relay import Relay, RelaySettings  # noqa: PLC0415

        if self.service.admits:
            self.admission.open()
            self.health.add("admission", self.admission.probe)
        pace = RelaySettings(linger=self.service.linger)
        self.relay = Relay(self.database, kafka, service=self.service.name, settings=pace)
        self.database.on_news(self.relay.wake)
        await self.relay.start()
        subscriptions = self.service.subscriptions
        if subscriptions is not None and subscriptions.topics:
            self.consumer = Consumer(
                self.database,
                kafka,
                service=self.service.name,
                subscriptions=subscriptions,
                settings=ConsumerSettings(instance=self.suite.instance, linger=self.service.linger),
            )
            self.health.add("consumer", self._consumer_probe)
            await self.consumer.start()

    async def _consumer_probe(self) -> str | None:
        """Tell why events are not taken. The relay is no probe: the outbox keeps what the broker cannot take.

        Who takes work from outside stays ready while the broker is away: taking it needs no broker.
        """
        if self.consumer is None or self.consumer.healthy:
            return None
        if self.service.admits and not self.consumer.is_flooded:
            return None
        return self.consumer.state.value


def _house_jobs(service: Service) -> list[Job]:
    """Return the jobs that the chassis's own tables need."""
    from huiyin_chassis.idempotency import FORGET  # noqa: PLC0415 - it knows Runtime

    own = [(FORGET, "idempotency"), (MEASURE, "outbox")]
    return [job for job, table in own if table in service.metadata.tables]


async def _measure(runtime: Runtime) -> None:
    if runtime.relay is not None:
        backlog = await runtime.relay.measure()
        if runtime.service.admits:
            runtime.admission.measure(outbox_rows=backlog.rows)


MEASURE: Final = Job("measure_outbox", timedelta(seconds=5), _measure)
"""The job that keeps the outbox's metrics fresh, and opens or shuts the admission."""


def _running(request: Request) -> Runtime:
    return cast("Runtime", request.app.state.runtime)


Running = Annotated[Runtime, Depends(_running)]
"""FastAPI dependency: the running service that this request came to."""
