"""The log as an older version has written it, kept in files, and put before the suite of today.

`snapshots/contracts-1.0.jsonl` was taken once from the log of a run when every contract stood at 1.0. A third of its
records is as it was; a third lacks the optional fields that said nothing, as before those fields were there; a third has
fields and a header that nobody knows any more. It never changes: later versions get files beside it.
"""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaError, Message, Producer

from tests.faults.caller import Answer
from tests.faults.history import ACCEPTED
from tests.faults.load import note_post
from tests.faults.outboxes import run_sql
from tests.faults.stack import Stack

SNAPSHOTS: Final = Path(__file__).parent / "snapshots"
_RECEIVED: Final = "feedback.received"


@dataclass(frozen=True)
class Old:
    """One record as it was stored."""

    topic: str
    key: str
    headers: Mapping[str, str]
    value: str

    @cached_property
    def said(self) -> dict[str, Any]:
        """Return the event itself."""
        body: dict[str, Any] = json.loads(self.value)
        return body


def snapshot(version: str) -> list[Old]:
    """Return the records that were kept of a version, in their order."""
    return read_records(SNAPSHOTS / f"contracts-{version}.jsonl")


def read_records(path: Path) -> list[Old]:
    """Return the records of a file, in their order."""
    return [Old(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def accepted_then(stack: Stack, records: Iterable[Old]) -> list[str]:
    """Leave the suite as if its older self had accepted feedback just before it was replaced; return the ids.

    Each is a row of intake's database, its event in the log exactly as kept, and a 202 in the history. May be done again.
    """
    feedback = [each for each in records if each.topic == _RECEIVED]
    began = time.monotonic()
    run_sql(stack, "intake", [_stored(stack, each) for each in feedback])
    publish(stack.bootstrap, feedback)
    seconds = time.monotonic() - began
    for each in feedback:
        told = Answer(ACCEPTED, {"id": each.key, "duplicate": False}, seconds)
        note_post(stack.history, told, number=stack.numbers.draw(), body=each.said)
    return [each.key for each in feedback]


def _stored(stack: Stack, record: Old) -> str:
    """Return the statement that stores a feedback, if it is not there."""
    said = record.said
    values = (
        *(said["feedback_id"], said["channel"], said.get("account", ""), said["external_id"]),
        *(_instant(stack, said[name]) for name in ("occurred_at", "received_at")),
        *("older", record.headers["ce_id"], record.value),
    )
    quoted = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    columns = "id, channel, account, external_id, occurred_at, received_at, posted_by, fingerprint, content"
    return f"INSERT INTO feedback ({columns}) VALUES ({quoted}) ON CONFLICT DO NOTHING"  # noqa: S608  # ours


def _instant(stack: Stack, said: str) -> str:
    """Return a time as the database keeps it: SQLite in UTC without saying so."""
    at = datetime.fromisoformat(said).astimezone(UTC)
    if stack.postgresql is not None:
        return at.isoformat()
    return at.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def publish(bootstrap: str, records: Sequence[Old]) -> None:
    """Put records into the log as they were kept, in their order, each in the partition of its key."""
    # The suite's partitioner: all events of a case are in one partition.
    writer = Producer(
        {"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0, "partitioner": "murmur2_random"}
    )
    for each in records:
        writer.produce(
            each.topic,
            each.value.encode(),
            key=each.key.encode(),
            headers=list(each.headers.items()),
            on_delivery=_acknowledged,
        )
    assert not writer.flush(30), "older events were not acknowledged"


def _acknowledged(error: KafkaError | None, _message: Message) -> None:
    assert error is None, error


def undecided(stack: Stack, ids: Iterable[str]) -> Iterator[str]:
    """Yield the feedbacks of which the router has not said what became of them."""
    query = "SELECT feedback_id FROM classification WHERE outcome <> 'pending'"
    decided = {str(row[0]) for row in stack.rows("router", query)}
    return (each for each in ids if each not in decided)
