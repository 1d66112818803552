"""Second deliveries: a producer of the tests that copies records of the log, same key, headers and value."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from tests.faults.history import History, lines

_BATCH: Final = 200
_WAIT_SECONDS: Final = 0.3
_NEW_TOPICS_EVERY: Final = 10


class Copier:
    """Reads the log as it grows and writes every event again up to four times, in shuffled batches.

    It copies no copy and no poison, which is no event, and notes in the history where each copy stands.
    """

    def __init__(self, bootstrap: str, *, history: History, dice: random.Random) -> None:
        self.copied = 0
        self._history = history
        self._dice = dice
        self._seen: set[tuple[str, str]] = set()
        self._poison = {
            (fault["topic"], fault["partition"], fault["offset"])
            for fault in lines(history.path, "fault")
            if fault["fact"] == "poison"
        }
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._assigned: list[TopicPartition] = []
        self._reader = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "copier",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        self._writer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
        self._thread = threading.Thread(target=self._copy_on, name="copier", daemon=True)

    def start(self) -> None:
        """Begin with the beginning of the log."""
        self._thread.start()

    def finish(self) -> None:
        """Return when everything that was read is copied; raises what has gone wrong meanwhile."""
        self._stopping.set()
        self._thread.join()
        self._reader.close()
        if self._failure is not None:
            raise self._failure

    def _copy_on(self) -> None:
        try:
            for turn in self._turns():
                if turn % _NEW_TOPICS_EVERY == 0:
                    self._look_for_topics()
                if self._assigned:
                    self._copy(self._reader.consume(_BATCH, timeout=_WAIT_SECONDS))
        except BaseException as failure:  # noqa: BLE001  # told by `finish`, in the thread that asks
            self._failure = failure

    def _turns(self) -> Iterator[int]:
        """Yield numbers until it is time to stop, and then once more for the rest."""
        turn = 0
        while not self._stopping.wait(0 if self._assigned else _WAIT_SECONDS):
            yield turn
            turn += 1
        yield 0

    def _look_for_topics(self) -> None:
        topics = self._reader.list_topics(timeout=10).topics
        known = {(each.topic, each.partition) for each in self._assigned}
        new = [
            TopicPartition(name, number, OFFSET_BEGINNING)
            for name, topic in topics.items()
            if not name.startswith("__")
            for number in topic.partitions
            if (name, number) not in known
        ]
        if new:
            self._reader.incremental_assign(new)
            self._assigned += new

    def _copy(self, messages: list[Message]) -> None:
        fresh = [each for each in messages if each.error() is None and self._is_new(each)]
        copies = [each for each in fresh for _ in range(self._dice.randint(0, 4))]
        self._dice.shuffle(copies)
        for each in copies:
            topic, partition = each.topic(), each.partition()
            assert topic is not None
            assert partition is not None
            self._writer.produce(
                topic,
                each.value(),
                key=each.key(),
                headers=each.headers(),
                partition=partition,
                on_delivery=self._note,
            )
        self._writer.flush(30)

    def _is_new(self, message: Message) -> bool:
        if (message.topic(), message.partition(), message.offset()) in self._poison:
            return False
        headers = dict(message.headers() or [])
        name = f"{headers.get('ce_id')!r} {headers.get('ce_sequence')!r}"
        is_new = (str(message.topic()), name) not in self._seen
        self._seen.add((str(message.topic()), name))
        return is_new

    def _note(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        self.copied += 1
        self._history.fault(
            "copy", topic=message.topic(), partition=message.partition(), offset=message.offset()
        )


@contextmanager
def copying(bootstrap: str, *, history: History, dice: random.Random) -> Iterator[Copier]:
    """Copy while the block runs, and what it left."""
    copier = Copier(bootstrap, history=history, dice=dice)
    copier.start()
    try:
        yield copier
    finally:
        copier.finish()
