"""Calls handlers with whole batches, and finds the event that fails by halving.

Each call runs in a savepoint, so that what a failing handler did is undone before its halves are tried.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.event import Event
from huiyin_eventbus import tracing
from huiyin_eventbus.deliveries import Delivery
from huiyin_eventbus.errors import TransientFailure
from huiyin_eventbus.failures import is_infrastructure
from huiyin_eventbus.subscriptions import Handler, Received, Subscriptions
from huiyin_failpoints import reach


class Fate(Enum):
    """What becomes of an event that was not handled."""

    POISON = "poison"
    TRANSIENT = "transient"
    BEHIND = "behind"
    """An earlier event of its key waits for another try."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that was not handled, and why."""

    delivery: Delivery
    fate: Fate
    error: Exception | None = None


@dataclass(slots=True)
class Handling:
    """One pass of handlers over a batch; `failures` fill up as it goes.

    `waiting` are the keys whose events must not be handled now.
    """

    tx: AsyncConnection
    subscriptions: Subscriptions
    waiting: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)

    async def handle(self, deliveries: Collection[Delivery]) -> None:
        """Call each handler with its events, of however many types, in the order given.

        Raises what says nothing about an event: the database out of reach, the task cancelled.
        """
        given: dict[Handler[Any], list[Delivery]] = {each: [] for each in self.subscriptions.by_handler()}
        for each in deliveries:
            if each.received is None:
                self.failures.append(Failure(each, Fate.POISON, each.problem))
            else:
                given[self.subscriptions.handler(each.received.envelope.type)].append(each)
        for handler, own in given.items():
            await self._attempt(handler, own)

    async def _attempt(
        self, handler: Handler[Any], deliveries: Sequence[Delivery], *, tries: int = 2
    ) -> None:
        free = self._without_waiting(deliveries)
        if not free:
            return
        try:
            await self._call(handler, free)
        except Exception as error:
            if is_infrastructure(error):
                raise
            if len(free) > 1:
                middle = len(free) // 2
                await self._attempt(handler, free[:middle])
                await self._attempt(handler, free[middle:])
            elif tries > 1 and isinstance(error, DBAPIError):
                # A broken constraint may be a race with another door; the second look sees what that committed.
                await self._attempt(handler, free, tries=tries - 1)
            else:
                self._fail(free[0], error)

    async def _call(self, handler: Handler[Any], deliveries: Sequence[Delivery]) -> None:
        received: list[Received[Event]] = [each.received for each in deliveries if each.received]
        with tracing.traced(_shared_trace(received)):
            async with _savepoint(self.tx):
                await handler(self.tx, received)
                reach("consumer.mid_batch")

    def _without_waiting(self, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
        if not self.waiting:
            return deliveries
        self.failures += [Failure(each, Fate.BEHIND) for each in deliveries if each.key in self.waiting]
        return [each for each in deliveries if each.key not in self.waiting]

    def _fail(self, delivery: Delivery, error: Exception) -> None:
        if isinstance(error, TransientFailure):
            self.waiting.add(delivery.key)
            self.failures.append(Failure(delivery, Fate.TRANSIENT, error))
        else:
            self.failures.append(Failure(delivery, Fate.POISON, error))


@asynccontextmanager
async def _savepoint(tx: AsyncConnection) -> AsyncIterator[None]:
    """Undo what the block did when it raises for an event's sake; for the ground's sake everything is undone anyway.

    In the database's own words: SQLAlchemy's nested transactions cost twice as much, and each call has one.
    """
    await tx.exec_driver_sql("SAVEPOINT handler")
    try:
        yield
    except Exception as error:
        if not is_infrastructure(error):
            await tx.exec_driver_sql("ROLLBACK TO SAVEPOINT handler")
            await tx.exec_driver_sql("RELEASE SAVEPOINT handler")
        raise
    await tx.exec_driver_sql("RELEASE SAVEPOINT handler")


def _shared_trace(received: Sequence[Received[Event]]) -> str | None:
    """Return the trace of the events when they have one in common: a batch of many traces is in none."""
    traces = {each.envelope.traceparent for each in received}
    return tracing.child_of(traces.pop()) if len(traces) == 1 else None
