"""Poison for the log: records that no reader can take, each of another kind."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Final
from uuid import UUID

from confluent_kafka import KafkaError, Message, Producer

from tests.faults.history import History

Headers = dict[str, bytes]
Kind = Callable[[Headers, bytes], tuple[Headers, bytes | None]]

_MEGABYTE: Final = 1_000_000
PUBLISHERS: Final = {
    "feedback.received": "intake",
    "feedback.classified": "router",
    "feedback.attached": "router",
    "ticket.routed": "router",
    "ticket.progressed": "desk",
    "sla.scheduled": "sla",
    "sla.scheduled.v2": "sla",
}
"""Whose topics can be poisoned so that nothing but the poison itself is wrong with a record."""

KINDS: Final[Mapping[str, Kind]] = {
    "not JSON": lambda headers, _: (headers, b"{half an event"),
    "not an object": lambda headers, _: (headers, b"[1, 2]"),
    "fields are missing": lambda headers, _: (headers, b"{}"),
    "no value": lambda headers, _: (headers, None),
    "invalid UTF-8": lambda headers, _: (headers, b'{"text": "\xff\xfe\xc3"}'),
    "a header of invalid UTF-8": lambda headers, value: (headers | {"ce_id": b"\xff\xfe"}, value),
    "an unknown major version": lambda headers, value: (
        headers | {"ce_dataschema": headers["ce_dataschema"].replace(b"/1.0", b"/2.0")},
        value,
    ),
    "another publisher": lambda headers, value: (headers | {"ce_source": b"/services/nobody"}, value),
    "no envelope": lambda _, value: ({}, value),
    "a number that is none": lambda headers, value: (headers | {"ce_sequence": b"many"}, value),
    "a megabyte of nothing": lambda headers, _: (headers, b"0" * _MEGABYTE),
}


class Poisoner:
    """Writes poison into topics and notes in the history where it stands."""

    def __init__(self, bootstrap: str, *, history: History, dice: random.Random) -> None:
        self.written: list[tuple[str, int, int]] = []
        self._history = history
        self._dice = dice
        self._numbers = count(1)
        self._writer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "acks": "all",
                "log_level": 0,
                "message.max.bytes": 2 * _MEGABYTE,
            }
        )

    def write(self, topic: str, kind: str, *, partition: int, times: int = 1) -> None:
        """Write records of one kind, one after the other in one partition; return when they are acknowledged."""
        for _ in range(times):
            number = next(self._numbers)
            headers, value = KINDS[kind](self._envelope(topic, number), b"{}")
            self._writer.produce(
                topic,
                value,
                key=f"poison-{number}".encode(),
                headers=list(headers.items()),
                partition=partition,
                on_delivery=self._note,
            )
        assert not self._writer.flush(30), "poison was not acknowledged"

    def _envelope(self, topic: str, number: int) -> Headers:
        return {
            "content-type": b"application/json",
            "ce_specversion": b"1.0",
            "ce_id": str(UUID(int=self._dice.getrandbits(128))).encode(),
            "ce_source": f"/services/{PUBLISHERS[topic]}".encode(),
            "ce_type": topic.encode(),
            "ce_time": datetime.now(UTC).isoformat().encode(),
            "ce_dataschema": f"https://huiyin.dev/schemas/{topic}/1.0".encode(),
            "ce_sequence": str(number).encode(),
        }

    def _note(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        topic, partition, offset = str(message.topic()), message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        self.written.append((topic, partition, offset))
        self._history.fault("poison", topic=topic, partition=partition, offset=offset)
