"""How the bus speaks Kafka: one place for the client's settings, the same for Apache Kafka and the embedded broker.

The values are those that hold against aiokafka's known troubles: sends have our own deadline, stops are bounded, no
transactions, small fetches, a long poll interval. A producer or consumer is dropped and made anew rather than repaired.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import has_lz4
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    NoError,
    ProducerClosed,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.helpers import create_ssl_context
from aiokafka.producer.message_accumulator import MessageAccumulator

import huiyin_eventbus.lost_connections  # noqa: F401  # before anything of aiokafka connects
from huiyin_eventbus.cancellation import foreign_cancellation_as_error
from huiyin_eventbus.errors import ClientDied

_STOP_SECONDS: Final = 5
MAX_RECORD_BYTES: Final = 1024 * 1024
_FETCH_BYTES: Final = 8 * MAX_RECORD_BYTES

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """How to reach Kafka, and what a topic is made with.

    `answer_timeout` is how long a broker may take to let a producer start, or to answer what is asked about topics:
    a listener that takes connections and says nothing is given up after it.
    `locate` is asked before every new client and may know a newer address than `bootstrap`, or None.
    `security` is PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, `mechanism` PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512;
    `replication` -1 leaves it to the cluster.
    """

    bootstrap: str
    security: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    partitions: int = 12
    replication: int = -1
    retention: timedelta = timedelta(days=400)
    request_timeout: timedelta = timedelta(seconds=30)
    answer_timeout: timedelta = timedelta(seconds=10)
    session_timeout: timedelta = timedelta(seconds=10)
    heartbeat: timedelta = timedelta(seconds=3)
    rebalance_timeout: timedelta = timedelta(seconds=30)
    max_poll_interval: timedelta = timedelta(minutes=10)
    locate: Callable[[], str | None] | None = field(default=None, compare=False, repr=False)

    def address(self) -> str:
        """Return where Kafka is now, as far as is known."""
        return (self.locate and self.locate()) or self.bootstrap

    def answering(self) -> asyncio.Timeout:
        """Return a block that raises TimeoutError after `answer_timeout`."""
        return asyncio.timeout(self.answer_timeout.total_seconds())

    def client(self) -> dict[str, Any]:
        """Return what every aiokafka client takes."""
        secure = "SSL" in self.security.upper()
        context = create_ssl_context(cafile=str(self.ca_file) if self.ca_file else None) if secure else None
        return {
            "bootstrap_servers": self.address().split(","),
            "security_protocol": self.security.upper(),
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
            "ssl_context": context,
            "request_timeout_ms": milliseconds(self.request_timeout),
        }


def milliseconds(span: timedelta) -> int:
    """Return a span in whole milliseconds."""
    return span // timedelta(milliseconds=1)


def make_producer(settings: KafkaSettings, *, name: str) -> AIOKafkaProducer:
    """Return an idempotent producer that waits for all replicas; not started.

    It lingers not at all: the relay hands over whole batches, there is nothing to wait for.
    """
    return AIOKafkaProducer(
        **settings.client(),
        client_id=name,
        acks="all",
        enable_idempotence=True,
        linger_ms=0,
        compression_type="lz4" if has_lz4() else None,
        max_batch_size=64 * 1024,
        max_request_size=MAX_RECORD_BYTES,
    )


def make_consumer(settings: KafkaSettings, *, group: str, member: str | None) -> AIOKafkaConsumer:
    """Return a consumer without topics; not started. `member` is its static id in the group.

    It commits nothing by itself and never guesses a position. Partitions are assigned by range: all topics are keyed
    alike, so one member gets a case on every topic.
    """
    return AIOKafkaConsumer(
        **settings.client(),
        client_id=member or group,
        group_id=group,
        group_instance_id=member,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed",
        partition_assignment_strategy=(RangePartitionAssignor,),
        session_timeout_ms=milliseconds(settings.session_timeout),
        heartbeat_interval_ms=milliseconds(settings.heartbeat),
        rebalance_timeout_ms=milliseconds(settings.rebalance_timeout),
        max_poll_interval_ms=milliseconds(settings.max_poll_interval),
        max_partition_fetch_bytes=MAX_RECORD_BYTES + 64 * 1024,
        fetch_max_bytes=_FETCH_BYTES,
        fetch_max_wait_ms=500,
    )


async def ensure_topics(settings: KafkaSettings, topics: Iterable[str]) -> None:
    """Create the topics that do not exist yet; where that is the operator's business, only say so in the log.

    Raises aiokafka's KafkaError when the broker is out of reach or refuses for another reason.
    """
    configs = {"retention.ms": str(milliseconds(settings.retention))}
    # The empty assignment is how aiokafka lets a replication factor of -1 pass.
    wanted = [
        NewTopic(topic, settings.partitions, settings.replication, {}, configs) for topic in sorted(topics)
    ]
    admin = AIOKafkaAdminClient(**settings.client())
    try:
        await admin.start()
        created: Any = await admin.create_topics(wanted)
        for topic, code, *_ in created.topic_errors:
            _check_created(topic, for_code(code))
    finally:
        await _is_stopped(admin.close())


def _check_created(topic: str, outcome: type[Exception]) -> None:
    if outcome in {TopicAuthorizationFailedError, ClusterAuthorizationFailedError}:
        log.warning("topic_not_ours_to_create", topic=topic)
    elif outcome not in {NoError, TopicAlreadyExistsError}:
        raise outcome(topic)


def check_client(client: AIOKafkaClient) -> None:
    """Raise ClientDied when a client can learn nothing more: whoever asks it for metadata would wait for ever."""
    keeper = client._sync_task  # noqa: SLF001  # nothing public tells
    if keeper is not None and keeper.done():
        raise ClientDied


async def drop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer within bounds; what one that cannot flush still holds is published by its successor."""
    if await _is_stopped(producer.stop()):
        return
    # stop() hangs in its flush, and nothing public ends the sender: it could still send when its successor does. It ends
    # before its batches fail, because a sender that meets a failed batch ends with an error of its own.
    await _is_stopped(producer._sender.close())  # noqa: SLF001
    await _is_stopped(producer.client.close())
    with suppress(Exception):
        _fail_waiting(producer._message_accumulator)  # noqa: SLF001


def _fail_waiting(accumulator: MessageAccumulator) -> None:
    """Fail all batches, and see the errors of their queues, for which nobody waits any more."""
    waiting = list(chain.from_iterable(accumulator._batches.values()))  # noqa: SLF001
    # A batch that fails is taken out of those under way, and one that waits for another try is not among them.
    accumulator._pending_batches.update(waiting)  # noqa: SLF001
    accumulator.fail_all(ProducerClosed())
    for batch in waiting:
        batch._drain_waiter.exception()  # noqa: SLF001


async def drop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer within bounds, leaving its group when the broker answers in time."""
    if await _is_stopped(consumer.stop()):
        return
    # What a stop() that failed half-way leaves running would go on fetching and heartbeating for ever.
    coordinator: Any = consumer._coordinator  # noqa: SLF001
    for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task"):
        task: asyncio.Task[None] | None = getattr(coordinator, name, None)
        if task is not None:
            task.cancel()
    if consumer._fetcher is not None:  # noqa: SLF001
        await _is_stopped(consumer._fetcher.close())  # noqa: SLF001
    await _is_stopped(consumer._client.close())  # noqa: SLF001


async def _is_stopped(stopping: Coroutine[Any, Any, None]) -> bool:
    """Return whether a client's stop came to its end in time and without an error."""
    try:
        with foreign_cancellation_as_error():
            await asyncio.wait_for(stopping, _STOP_SECONDS)
    except Exception as error:  # noqa: BLE001  # whatever it is, this client is given up
        log.info("client_cut_off", error=type(error).__name__)
        return False
    return True
