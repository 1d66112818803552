"""One membership in a consumer group: which partitions are ours, where each is read on, and what comes next.

The positions are the database's. Kafka assigns partitions; everything read before their positions were looked up and
sought is thrown away. When the broker takes partitions back, the batch in hand is finished first.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, time
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from huiyin_eventbus import metrics
from huiyin_eventbus.database import Database
from huiyin_eventbus.errors import AssignmentMissing, BrokerSilent
from huiyin_eventbus.kafka import KafkaSettings, check_client, drop_consumer, make_consumer
from huiyin_eventbus.offsets import Position, move_offsets, own_partitions, read_positions

Record = ConsumerRecord[bytes, bytes]

_LOOK_SECONDS: Final = 1.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Records per partition, and the positions they were read from.

    `is_last` says that, as far as the broker has told, our partitions held nothing more; nothing is fetched then until
    the next `poll`.
    """

    records: Mapping[TopicPartition, list[Record]]
    positions: Mapping[TopicPartition, Position]
    is_last: bool


class Membership(ConsumerRebalanceListener):
    """A consumer that has joined its group; made anew after any trouble with the broker.

    Hold `busy` while a batch is being taken: partitions are not given back meanwhile. `on_looked_up` is called whenever
    positions were read from the database: what comes next need not follow what came last.
    """

    def __init__(
        self,
        database: Database,
        kafka: KafkaSettings,
        *,
        group: str,
        member: str | None,
        on_looked_up: Callable[[], None],
    ) -> None:
        self._database = database
        self._kafka = kafka
        self._group = group
        self._on_looked_up = on_looked_up
        self._consumer: AIOKafkaConsumer = make_consumer(kafka, group=group, member=member)
        self._must_look = False
        self._must_own = False
        self._unassigned_since = monotonic()
        self._quiet_since: float | None = None
        self._mirrored: dict[TopicPartition, int] = {}
        self._ends: Mapping[TopicPartition, int] = {}
        """Where the log ended when our partitions were assigned."""
        self.busy = asyncio.Lock()
        self.positions: dict[TopicPartition, Position] = {}

    @property
    def is_assigned(self) -> bool:
        """Return whether partitions are ours and their positions known."""
        return bool(self.positions)

    @property
    def is_caught_up(self) -> bool:
        """Return whether all is taken that our partitions held when they were assigned; false without any."""
        return self.is_assigned and all(
            position.next_offset >= self._ends.get(each, 0) for each, position in self.positions.items()
        )

    async def join(self, topics: tuple[str, ...]) -> None:
        """Join the group; raises KafkaError or TimeoutError when the broker does not let us in time."""
        self._consumer.subscribe(topics, listener=self)
        async with asyncio.timeout(self._patience_seconds):
            await self._consumer.start()

    async def leave(self) -> None:
        """Leave within bounds."""
        await drop_consumer(self._consumer)

    async def poll(self, *, limit: int, wait_seconds: float) -> Batch | None:
        """Return the next records of our partitions, None after `wait_seconds`.

        Raises KafkaError for trouble with the broker, AssignmentMissing when it has forgotten us, BrokerSilent when it
        does not answer, ClientDied when aiokafka has come to an end, and whatever the database raises when our positions
        must be looked up.
        """
        await self._look_up()
        self._consumer.resume(*self._consumer.paused())
        began = monotonic()
        try:
            found = await self._fetched(limit=limit, wait_seconds=wait_seconds)
        except NoOffsetForPartitionError:
            return None  # it was looked for before we sought the position
        except OffsetOutOfRangeError as error:
            await self._start_over(error.args[0])
            return None
        self._check_assignment()
        self._check_answers(began, is_quiet=not found)
        ours = {
            each: self._expected(each, records) for each, records in found.items() if each in self.positions
        }
        records = {each: records for each, records in ours.items() if records}
        if not records:
            return None
        is_last = self._is_end(found, limit=limit)
        if is_last:
            # Before the client asks for more: else it comes back at once with the first new event alone.
            self._consumer.pause(*self._consumer.assignment())
        return Batch(records, {each: self.positions[each] for each in records}, is_last)

    def moved(self, to: Mapping[TopicPartition, int]) -> None:
        """Take note that the database has moved on."""
        for each, offset in to.items():
            if each in self.positions:
                self.positions[each] = Position(offset, self.positions[each].epoch)

    def step_back(self) -> None:
        """Read again what was polled but not committed."""
        for each, position in self.positions.items():
            with suppress(IllegalStateError):
                self._consumer.seek(each, position.next_offset)

    def look_again(self) -> None:
        """Have the positions read from the database before the next poll: someone else has moved them."""
        self._must_look = True

    async def is_overtaken(self) -> bool:
        """Return whether the stored positions are no longer ours, because they were rewound."""
        async with self._database.reading() as tx:
            stored = await read_positions(tx, self._group)
        return any(stored.get(each) != position for each, position in self.positions.items())

    async def mirror(self) -> None:
        """Tell Kafka how far we are, for its tools; errors are of no consequence."""
        moved = {each: position.next_offset for each, position in self.positions.items()}
        if not moved or moved == self._mirrored:
            return
        with suppress(KafkaError, IllegalStateError, TimeoutError):
            async with asyncio.timeout(5):
                await self._consumer.commit(moved)
            self._mirrored = moved

    def measure_lag(self) -> None:
        """Set the lag metrics from what the last fetches said."""
        lag: dict[str, int] = {}
        for each, position in self.positions.items():
            with suppress(IllegalStateError):
                end = self._consumer.highwater(each)
                lag[each.topic] = lag.get(each.topic, 0) + max((end or 0) - position.next_offset, 0)
        for topic, events in lag.items():
            metrics.consumer_lag_events.labels(self._group, topic).set(events)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # noqa: ARG002  # aiokafka's signature
        """Let go of all partitions once the batch in hand is done, or the group will wait no longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._kafka.rebalance_timeout.total_seconds()), self.busy:
                pass
        self.positions = {}

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Have the new partitions looked up before the next poll."""
        # Not here: aiokafka swallows what this callback raises, and the database may be out of reach.
        self._must_look = self._must_own = True
        # Of the new partitions nothing was fetched yet: the broker has a whole session's time to answer.
        self._quiet_since = None
        log.info("partitions_assigned", group=self._group, partitions=len(assigned))

    @property
    def _patience_seconds(self) -> float:
        return 2 * self._kafka.session_timeout.total_seconds() + self._kafka.rebalance_timeout.total_seconds()

    async def _look_up(self) -> None:
        """Read where our partitions stand and seek there; owning them anew when they were just assigned."""
        while self._must_look:
            is_new, self._must_look, self._must_own = self._must_own, False, False
            async with self.busy:
                try:
                    self.positions = await (self._own() if is_new else self._reread())
                except BaseException:
                    self._must_look, self._must_own = True, is_new or self._must_own
                    raise
                self.step_back()
                self._on_looked_up()

    async def _own(self) -> dict[TopicPartition, Position]:
        assigned = self._consumer.assignment()
        if not assigned:
            return {}
        async with self._database.reading() as tx:
            stored = await read_positions(tx, self._group)
        self._ends = await self._consumer.end_offsets(assigned)
        missing = [each for each in assigned if each not in stored]
        # A new group reads from the beginning: what was published before it existed is its history too.
        starts = await self._consumer.beginning_offsets(missing) if missing else {}
        async with self._database.writing() as tx:
            return await own_partitions(tx, self._group, {each: starts.get(each, 0) for each in assigned})

    async def _reread(self) -> dict[TopicPartition, Position]:
        async with self._database.reading() as tx:
            stored = await read_positions(tx, self._group)
        return {each: stored[each] for each in self._consumer.assignment() if each in stored}

    async def _fetched(self, *, limit: int, wait_seconds: float) -> dict[TopicPartition, list[Record]]:
        """Return what has been fetched, or nothing after `wait_seconds`.

        aiokafka waits longer, and without a bound of its own, for partitions to follow those that were taken back: raises
        AssignmentMissing when they do not come in time, ClientDied when they cannot.
        """
        began = monotonic()
        while True:
            check_client(self._consumer._client)  # noqa: SLF001  # nothing public tells
            try:
                async with asyncio.timeout(wait_seconds + _LOOK_SECONDS):
                    return await self._consumer.getmany(
                        timeout_ms=int(wait_seconds * 1000), max_records=limit
                    )
            except TimeoutError:
                if monotonic() - began > self._patience_seconds:
                    raise AssignmentMissing(self._group) from None

    def _expected(self, partition: TopicPartition, records: list[Record]) -> list[Record]:
        """Return the records from our position on; older ones are committed already."""
        start = self.positions[partition].next_offset
        return records if records[0].offset >= start else [each for each in records if each.offset >= start]

    async def _start_over(self, lost: Mapping[TopicPartition, int]) -> None:
        """Begin partitions at what the log still has: retention ran ahead of us, or the log is a new one."""
        begin = await self._consumer.beginning_offsets(list(lost))
        async with self.busy:
            moves = {each: begin[each] for each in lost if each in self.positions}
            for each, offset in moves.items():
                metrics.event_gap_total.labels(self._group).inc()
                log.error(
                    "offset_out_of_range",
                    group=self._group,
                    topic=each.topic,
                    partition=each.partition,
                    wanted=self.positions[each].next_offset,
                    begins=offset,
                )
            async with self._database.writing() as tx:
                await move_offsets(tx, self._group, self.positions, to=moves)
            self.moved(moves)
            self.step_back()

    def _is_end(self, found: Mapping[TopicPartition, list[Record]], *, limit: int) -> bool:
        """Return whether our partitions hold nothing after these records, as far as the broker has told."""
        if sum(map(len, found.values())) >= limit:
            return False
        nexts = {each: position.next_offset for each, position in self.positions.items()}
        nexts |= {each: records[-1].offset + 1 for each, records in found.items()}
        return all(offset >= self._known_end(each) for each, offset in nexts.items())

    def _known_end(self, partition: TopicPartition) -> int:
        with suppress(IllegalStateError):
            return self._consumer.highwater(partition) or self._ends.get(partition, 0)
        return 0

    def _check_assignment(self) -> None:
        if self._consumer.assignment():
            self._unassigned_since = monotonic()
        elif monotonic() - self._unassigned_since > self._patience_seconds:
            raise AssignmentMissing(self._group)

    def _check_answers(self, began: float, *, is_quiet: bool) -> None:
        """Raise when all polls for a session's time were empty because no fetch was answered, not for lack of events."""
        if not is_quiet or self._quiet_since is None:
            self._quiet_since = began if is_quiet else None
            return
        session = self._kafka.session_timeout.total_seconds()
        answered_at = [self._consumer.last_poll_timestamp(each) or 0 for each in self._consumer.assignment()]
        is_silent = answered_at and max(answered_at) < (time() - session) * 1000
        if is_silent and monotonic() - self._quiet_since > session:
            raise BrokerSilent(self._group)
