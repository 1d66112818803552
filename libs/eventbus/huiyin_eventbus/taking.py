"""What one transaction does with a batch from the log: move the offsets, claim, handle, put aside what failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.dead_letters import bury
from huiyin_eventbus.deliveries import Delivery, RawRecord, read
from huiyin_eventbus.handling import Failure, Fate, Handling
from huiyin_eventbus.inbox import claim_events
from huiyin_eventbus.membership import Record
from huiyin_eventbus.offsets import Positions, move_offsets
from huiyin_eventbus.parking import Backoff, park, waiting_keys
from huiyin_eventbus.subscriptions import Subscriptions
from huiyin_failpoints import reach


@dataclass(frozen=True, slots=True)
class Polled:
    """A batch from the log: deliveries in the order of their partitions, and the offsets after them."""

    deliveries: Sequence[Delivery]
    next_offsets: Mapping[TopicPartition, int]

    @classmethod
    def of(cls, records: Mapping[TopicPartition, Sequence[Record]], subscriptions: Subscriptions) -> "Polled":
        """Read records; those of types that nobody here takes only move the offsets."""
        found = [read(_raw(each), subscriptions) for partition in records.values() for each in partition]
        ends = {place: partition[-1].offset + 1 for place, partition in records.items()}
        return cls([each for each in found if each], ends)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a batch: the new events, and those of them that failed."""

    fresh: Sequence[Delivery]
    failures: Sequence[Failure]

    def of(self, *fates: Fate) -> list[Failure]:
        """Return the failures with one of the fates."""
        return [each for each in self.failures if each.fate in fates]


async def take_batch(
    tx: AsyncConnection,
    group: str,
    polled: Polled,
    *,
    positions: Positions,
    subscriptions: Subscriptions,
    backoff: Backoff,
    now: datetime,
) -> Taken:
    """Take a batch in the caller's transaction, which must commit or roll back as a whole.

    Raises LostOwnership when the offsets are no longer ours, and whatever says that the database is out of reach.
    """
    # The offsets first: their row lock keeps a former owner from even beginning the same work.
    await move_offsets(tx, group, positions, to=polled.next_offsets)
    reach("consumer.after_offsets")
    fresh = await _fresh(tx, group, polled.deliveries, now=now)
    waiting = await waiting_keys(tx, group, {each.key for each in fresh}) if fresh else set()
    handling = Handling(tx, subscriptions, waiting=waiting)
    await handling.handle(fresh)
    taken = Taken(fresh, handling.failures)
    await bury(tx, group, [(each.delivery, _error(each), 1) for each in taken.of(Fate.POISON)], now=now)
    # In the order of the log: which of them is first of its key decides who waits behind whom.
    order = {each.event_id: place for place, each in enumerate(fresh)}
    parked = sorted(taken.of(Fate.TRANSIENT, Fate.BEHIND), key=lambda each: order[each.delivery.event_id])
    await park(tx, group, parked, backoff=backoff, now=now)
    reach("consumer.after_effects")
    return taken


def _raw(record: Record) -> RawRecord:
    return RawRecord(record.topic, record.partition, record.offset, record.key, record.headers, record.value)


async def _fresh(
    tx: AsyncConnection, group: str, deliveries: Sequence[Delivery], *, now: datetime
) -> list[Delivery]:
    """Return the deliveries of events that the group has not seen, each event once."""
    if not deliveries:
        return []
    new = await claim_events(tx, group, [each.event_id for each in deliveries], now=now)
    first = {each.event_id: each for each in reversed(deliveries) if each.event_id in new}
    return [each for each in deliveries if first.get(each.event_id) is each]


def _error(failure: Failure) -> Exception:
    return failure.error or RuntimeError("no error was kept")
