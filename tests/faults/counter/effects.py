"""I1, second half: every event was taken once by every consumer, and what it leads to exists once."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tests.faults.counter.evidence import Evidence
from tests.faults.counter.log import Record

_STEPS_ON_THE_TIMELINE: Final = frozenset(
    {
        "accepted", "returned", "assigned", "answered", "paused", "resumed", "resolved", "reviewed", "reopened",
        "archived", "merged",
    }
)  # fmt: skip
READERS: Final[Mapping[str, tuple[str, ...]]] = {
    "feedback.received": ("router", "sla", "analytics"),
    "feedback.classified": ("sla", "analytics"),
    "feedback.attached": ("desk", "sla", "analytics"),
    "ticket.routed": ("desk", "sla", "analytics"),
    "ticket.progressed": ("router", "sla", "analytics"),
    "sla.scheduled": ("desk", "analytics"),
    "sla.scheduled.v2": ("desk", "analytics"),
    "sla.warned": ("desk", "analytics"),
    "sla.breached": ("desk", "analytics"),
    "sla.retracted": ("desk", "analytics"),
    "unit.changed": ("router", "desk", "analytics"),
    "person.changed": ("desk",),
    "key.changed": ("directory", "intake", "router", "desk", "sla", "analytics"),
}
"""Who must take which events, from the table of the architecture."""


def violations(evidence: Evidence) -> list[str]:
    """Return events that a consumer has not taken, or took and nobody published, and effects that are not there once."""
    found = [
        *_outboxes(evidence),
        *_published(evidence),
        *_timeline(evidence),
        *_counted_entries(evidence),
    ]
    for service in evidence.databases.services:
        found += [f"{service}: {each}" for each in _taken(evidence, service)]
    return found


def _outboxes(evidence: Evidence) -> Iterator[str]:
    for service in evidence.databases.services:
        ((waiting,),) = evidence.databases.rows(service, "SELECT count(*) FROM outbox")
        if waiting:
            yield f"{service}: {waiting} events wait in the outbox"


def _taken(evidence: Evidence, service: str) -> Iterator[str]:
    databases, log = evidence.databases, evidence.whole_log
    topics = [topic for topic in log.topics if service in READERS.get(topic, ())]
    inbox = Counter(row[0] for row in databases.rows(service, "SELECT event_id FROM inbox"))
    wanted = {record.id for topic in topics for record in evidence.log.of(topic)}
    unreadable = {":".join(map(str, place)) for place in evidence.poison}
    known = {record.named.get("ce_id") for topic in topics for record in log.of(topic)}
    yield from (f"event {each} was never taken" for each in sorted(wanted - inbox.keys()))
    yield from (
        f"event {each} was taken and is not in the log" for each in sorted(inbox.keys() - known - unreadable)
    )
    yield from (f"event {each} was taken {n} times" for each, n in inbox.items() if n > 1)
    waiting = databases.rows(service, "SELECT event_id FROM retry")
    yield from (f"event {row[0]} is still parked" for row in waiting)
    places = databases.rows(service, "SELECT topic, part, next_offset FROM consumer_offset")
    read = {(topic, part): offset for topic, part, offset in places}
    for (topic, part), end in log.ends.items():
        if topic in topics and read.get((topic, part), 0) != end:
            yield f"{topic} {part} ends at {end}, read up to {read.get((topic, part), 0)}"


def _published(evidence: Evidence) -> Iterator[str]:
    """Give what differs between what services have stored and what they have told."""
    databases, log = evidence.databases, evidence.log
    stored = {row[0]: 1 for row in databases.rows("intake", "SELECT id FROM feedback")}
    yield from _differences("feedback.received", stored, _by(log.events("feedback.received"), "feedback_id"))
    query = "SELECT feedback_id, revision FROM classification"
    revisions: dict[str, int] = dict(databases.rows("router", query))
    yield from _differences(
        "feedback.classified", revisions, _by(log.events("feedback.classified"), "feedback_id")
    )
    routings: dict[str, int] = dict(databases.rows("router", "SELECT ticket_id, routing FROM routed_case"))
    yield from _differences("ticket.routed", routings, _by(log.events("ticket.routed"), "ticket_id"))
    numbers = Counter(
        (record.said["ticket_id"], record.said["version"]) for record in log.events("ticket.progressed")
    )
    yield from (f"ticket.progressed: two steps have version {each}" for each, n in numbers.items() if n > 1)


def _timeline(evidence: Evidence) -> Iterator[str]:
    """Give entries of the desk's timeline that are missing or doubled, by what the log says must be there."""
    rows = evidence.databases.rows("desk", "SELECT ticket_id, kind, details FROM timeline")
    entries = (_entry(ticket_id, kind, _object(details)) for ticket_id, kind, details in rows)
    written = Counter(entry for entry in entries if entry)
    wanted = Counter(dict.fromkeys(_wanted_entries(evidence), 1))
    for each in sorted(written.keys() | wanted.keys(), key=str):
        if written[each] != wanted[each]:
            yield f"desk: {written[each]} timeline entries for {each}, {wanted[each]} wanted"


def _entry(ticket_id: str, kind: str, details: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return what makes an entry one of its kind, None for kinds that another rule counts."""
    if kind == "dispatched":
        return ticket_id, kind, details["routing"]
    if kind in {"received", "classified"}:
        return ticket_id, kind
    if kind == "attached":
        return kind, details["feedback_id"]
    return None


def _wanted_entries(evidence: Evidence) -> Iterator[tuple[Any, ...]]:
    for record in evidence.log.events("ticket.routed"):
        ticket_id, routing = record.said["ticket_id"], record.said["routing"]
        yield ticket_id, "dispatched", routing
        if routing == 1:
            yield ticket_id, "received"
            yield ticket_id, "classified"
    for record in evidence.log.events("feedback.attached"):
        yield "attached", record.said["feedback_id"]


def _counted_entries(evidence: Evidence) -> Iterator[str]:
    """Give steps and clock entries whose number on the timeline is not that of the events."""
    query = "SELECT ticket_id, kind, count(*) FROM timeline GROUP BY ticket_id, kind"
    written = {(row[0], row[1]): row[2] for row in evidence.databases.rows("desk", query)}
    kinds = {*_STEPS_ON_THE_TIMELINE, "sla_warned", "sla_breached", "sla_retracted"}
    wanted = Counter[tuple[str, str]]()
    for record in evidence.log.events("ticket.progressed"):
        wanted[record.said["ticket_id"], record.said["step"]] += 1
    for topic in ("sla.warned", "sla.breached", "sla.retracted"):
        for record in evidence.log.events(topic):
            if record.said["target"] != "classification":
                wanted[record.said["ticket_id"], topic.replace(".", "_")] += 1
    for each in sorted(written.keys() | wanted.keys()):
        if each[1] in kinds and written.get(each, 0) != wanted[each]:
            yield f"desk: {written.get(each, 0)} timeline entries {each}, {wanted[each]} events"


def _differences(what: str, stored: Mapping[str, int], told: Mapping[str, int]) -> Iterator[str]:
    for each in sorted(stored.keys() | told.keys()):
        if stored.get(each, 0) != told.get(each, 0):
            yield f"{what} {each}: told {told.get(each, 0)} times, {stored.get(each, 0)} stored"


def _by(records: Iterable[Record], field: str) -> Counter[str]:
    return Counter(record.said[field] for record in records)


def _object(value: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found
