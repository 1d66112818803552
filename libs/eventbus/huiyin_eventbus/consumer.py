"""The consumer: takes batches of events from the log, each in one transaction with all its effects.

What can go wrong is sorted by whose fault it is. An event's: it is parked or dead-lettered and the others go on. The
database's or the broker's: nothing moves until it is back. Ours, when poison comes in floods: the consumer stops and
waits for someone to look.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from time import monotonic
from typing import Final, TypeVar

import structlog
from aiokafka.errors import KafkaError

from huiyin_eventbus import metrics
from huiyin_eventbus.accounting import account
from huiyin_eventbus.cancellation import foreign_cancellation_as_error
from huiyin_eventbus.chores import Chores, clean_inbox
from huiyin_eventbus.database import Database
from huiyin_eventbus.errors import AssignmentMissing, BrokerSilent, ClientDied, LostOwnership
from huiyin_eventbus.flood import FloodGate, FloodLimits
from huiyin_eventbus.grievances import Grievances
from huiyin_eventbus.handling import Fate
from huiyin_eventbus.kafka import KafkaSettings, ensure_topics
from huiyin_eventbus.membership import Batch, Membership
from huiyin_eventbus.parking import Backoff
from huiyin_eventbus.retries import Retries
from huiyin_eventbus.sequences import SequenceWatch
from huiyin_eventbus.subscriptions import Subscriptions
from huiyin_eventbus.taking import Polled, Taken, take_batch
from huiyin_failpoints import reach

Result = TypeVar("Result")

_POLL_SECONDS: Final = 0.5

log = structlog.get_logger(__name__)


class ConsumerState(StrEnum):
    """What a consumer is doing."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting for the database or the broker"
    FLOODED = "stopped: flood of poison"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerSettings:
    """How a consumer works: batch size, patience and limits.

    `instance` is this process's number among those of its service, for its static member id; None for a
    member without one. `linger` is how long events may gather after a batch that emptied the log: a lone event waits
    for nothing, and under load a transaction takes many.
    """

    instance: int | None = 0
    batch: int = 500
    linger: timedelta = timedelta()
    backoff: Backoff = field(default_factory=Backoff)
    flood: FloodLimits = field(default_factory=FloodLimits)
    retry_poll: timedelta = timedelta(seconds=1)
    slowest_wait: timedelta = timedelta(seconds=5)
    inbox_age: timedelta = timedelta(days=30)
    clean_every: timedelta = timedelta(hours=1)


class Consumer:
    """Takes the subscribed events of one service while it runs."""

    def __init__(
        self,
        database: Database,
        kafka: KafkaSettings,
        *,
        service: str,
        subscriptions: Subscriptions,
        settings: ConsumerSettings | None = None,
    ) -> None:
        self._settings = settings or ConsumerSettings()
        self._database = database
        self._kafka = kafka
        self._group = service
        self._subscriptions = subscriptions
        self._retries = Retries(
            database, service, subscriptions=subscriptions, backoff=self._settings.backoff, clock=_now
        )
        self._gates: dict[tuple[str, int], FloodGate] = {}
        self._sequences = SequenceWatch()
        self._waits = Grievances("consumer_waits")
        self._retries_wait = Grievances("retries_wait")
        self._membership: Membership | None = None
        self._stop = asyncio.Event()
        self._resumed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._has_caught_up = False
        self.state = ConsumerState.STOPPED

    @property
    def healthy(self) -> bool:
        """Return whether it takes events, or would if there were any."""
        return self.state is ConsumerState.RUNNING

    @property
    def is_flooded(self) -> bool:
        """Return whether a flood of poison has stopped it: it waits for `resume` or a restart."""
        return self.state is ConsumerState.FLOODED

    @property
    def is_assigned(self) -> bool:
        """Return whether it has partitions to read."""
        return self._membership is not None and self._membership.is_assigned

    @property
    def has_caught_up(self) -> bool:
        """Return whether it has, since its start, taken all that the log held when it got its partitions.

        Until then it lives in the past: what the clock says and what it knows do not belong together.
        """
        if not self._has_caught_up and self._membership is not None:
            self._has_caught_up = self._membership.is_caught_up
        return self._has_caught_up

    async def start(self) -> None:
        """Begin in the background; a broker or database out of reach is no error here."""
        self._stop.clear()
        self._has_caught_up = False
        self._gates.clear()
        self.state = ConsumerState.STARTING
        metrics.consumer_stopped.labels(self._group).set(0)
        self._tasks = [
            asyncio.create_task(self._run(), name=f"consumer-{self._group}"),
            asyncio.create_task(self._run_retries(), name=f"retries-{self._group}"),
        ]

    async def stop(self, *, patience: timedelta = timedelta(seconds=20)) -> None:
        """Finish the batch in hand, commit it and leave the group; what takes longer is cut off and rolled back."""
        self._stop.set()
        _, unfinished = (
            await asyncio.wait(self._tasks, timeout=patience.total_seconds()) if self._tasks else ((), ())
        )
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self.state = ConsumerState.STOPPED

    def resume(self) -> None:
        """Go on after a flood of poison; the counts begin anew."""
        if self.is_flooded:
            self._gates.clear()
            self.state = ConsumerState.STARTING
            metrics.consumer_stopped.labels(self._group).set(0)
            self._resumed.set()

    async def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            started = monotonic()
            try:
                with foreign_cancellation_as_error():
                    await self._be_member()
            except Exception as error:  # noqa: BLE001  # whatever ends one membership, the next one goes on
                lasted = monotonic() - started > self._settings.slowest_wait.total_seconds()
                failures = 1 if lasted else failures + 1
                metrics.consumer_restarts_total.labels(self._group).inc()
                await self._wait_out(error, failures=failures)
            if self.is_flooded:
                await self._unless_stopped(self._resumed.wait())

    async def _be_member(self) -> None:
        async with self._kafka.answering():
            await ensure_topics(self._kafka, self._subscriptions.topics)
        instance = self._settings.instance
        member = None if instance is None else f"{self._group}-{instance}"
        membership = Membership(
            self._database,
            self._kafka,
            group=self._group,
            member=member,
            # Others, or a commit of ours whose answer was lost, may have taken events that were never watched here.
            on_looked_up=self._sequences.forget,
        )
        self._membership = membership
        try:
            await self._unless_stopped(membership.join(self._subscriptions.topics))
            await self._consume(membership)
        except BaseException:
            # Said now: leaving a broker that does not answer takes seconds.
            if not self.is_flooded:
                self.state = ConsumerState.WAITING
            raise
        finally:
            self._membership = None
            await membership.leave()

    async def _consume(self, membership: Membership) -> None:
        """Take batches until stopped or flooded; raises what makes this membership useless."""
        async with Chores(membership) as chores:
            await self._take_batches(membership, chores)

    async def _take_batches(self, membership: Membership, chores: Chores) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                # The first look does not wait for events: who waits for this consumer to be ready need not either.
                wait_seconds = _POLL_SECONDS if self.healthy else 0
                batch = await self._unless_stopped(
                    membership.poll(limit=self._settings.batch, wait_seconds=wait_seconds)
                )
                if batch:
                    await self._take(membership, batch)
                if self.is_flooded:
                    return
                await chores.do()
            except (KafkaError, AssignmentMissing, BrokerSilent, ClientDied):
                raise
            except LostOwnership:
                metrics.lost_ownership_total.labels(self._group).inc()
                log.warning("ownership_lost", group=self._group)
                membership.look_again()
            except Exception as error:  # noqa: BLE001  # nothing has moved: wait, whatever it was
                failures += 1
                membership.step_back()
                await self._wait_out(error, failures=failures)
            else:
                failures = 0
                self.state = ConsumerState.RUNNING
                if batch and batch.is_last:
                    await self._sleep(self._settings.linger.total_seconds())

    async def _take(self, membership: Membership, batch: Batch) -> None:
        reach("consumer.fetched")
        polled = Polled.of(batch.records, self._subscriptions)
        async with membership.busy:
            with metrics.batch_seconds.labels(self._group).time():
                async with self._database.writing() as tx:
                    taken = await take_batch(
                        tx,
                        self._group,
                        polled,
                        positions=batch.positions,
                        subscriptions=self._subscriptions,
                        backoff=self._settings.backoff,
                        now=_now(),
                    )
            reach("consumer.after_commit")
            membership.moved(polled.next_offsets)
        self._account(polled, taken)

    def _account(self, polled: Polled, taken: Taken) -> None:
        """Count what happened, log what was put aside, and stop on a flood."""
        account(self._group, taken, sequences=self._sequences, polled=polled)
        poison = {each.delivery.event_id for each in taken.of(Fate.POISON)}
        found: dict[tuple[str, int], list[bool]] = {}
        for each in taken.fresh:
            found.setdefault((each.record.topic, each.record.partition), []).append(each.event_id in poison)
        for place, are_poison in found.items():
            if place not in self._gates:
                self._gates[place] = FloodGate(self._settings.flood)
            if self._gates[place].count_all(are_poison):
                self._stop_on_flood(*place)
                return

    def _stop_on_flood(self, topic: str, partition: int) -> None:
        self._resumed.clear()
        self.state = ConsumerState.FLOODED
        metrics.consumer_stopped.labels(self._group).set(1)
        log.error("consumer_flooded_with_poison", group=self._group, topic=topic, partition=partition)

    async def _run_retries(self) -> None:
        clean_at = monotonic()
        while not self._stop.is_set():
            pause = self._settings.retry_poll
            try:
                if await self._retries.run_due():
                    pause = timedelta()
                if monotonic() >= clean_at:
                    await clean_inbox(self._database, before=_now() - self._settings.inbox_age)
                    clean_at = monotonic() + self._settings.clean_every.total_seconds()
            except Exception as error:  # noqa: BLE001  # everything stays parked, whatever it was
                self._retries_wait.tell(error, group=self._group)
                pause = self._settings.slowest_wait
            await self._sleep(pause.total_seconds())

    async def _wait_out(self, error: Exception, *, failures: int) -> None:
        self.state = ConsumerState.WAITING
        self._waits.tell(error, group=self._group, failures=failures)
        longest = self._settings.slowest_wait.total_seconds()
        await self._sleep(min(0.1 * 2 ** min(failures, 10), longest))

    async def _sleep(self, seconds: float) -> None:
        if not seconds:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _unless_stopped(self, work: Coroutine[None, None, Result]) -> Result | None:
        """Return what the work returns; None, with the work cancelled, when the consumer is stopped meanwhile."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            return None
        finally:
            for each in (task, stop):
                each.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)


def _now() -> datetime:
    return datetime.now(UTC)
