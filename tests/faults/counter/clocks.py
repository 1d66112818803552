"""I2 and I3: one timer per case, target and cycle, and breaches told for those missed alone."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.faults.counter.databases import instant, maybe_instant
from tests.faults.counter.evidence import Evidence
from tests.faults.counter.oracle import Facts, Told, clocks

Key = tuple[str, str, int]

_GRACE: Final = timedelta(seconds=5)
_CLOCK_STEPS: Final = frozenset(
    {"answered", "paused", "resumed", "resolved", "archived", "merged", "reopened"}
)


def timer_violations(evidence: Evidence) -> list[str]:
    """Return clocks that are missing, doubled or left over, and those that desk and sla see differently."""
    rows = evidence.databases.rows("sla", "SELECT ticket_id, target, cycle FROM clock")
    stored = Counter((ticket_id, target, cycle) for ticket_id, target, cycle in rows)
    wanted = _recomputed(evidence)
    return [
        *(f"{each} has {n} timers" for each, n in stored.items() if n > 1),
        *(f"{each} has no timer" for each in sorted(wanted.keys() - stored.keys())),
        *(f"{each} has a timer that nothing started" for each in sorted(stored.keys() - wanted.keys())),
        *_desk_violations(evidence),
    ]


def breach_violations(evidence: Evidence) -> list[str]:
    """Return clocks whose state does not follow from their history, and breaches told wrongly."""
    query = "SELECT ticket_id, target, cycle, state, due_at, met_at FROM clock"
    stored = {
        (row[0], row[1], row[2]): Told(row[3], instant(row[4]), maybe_instant(row[5]))
        for row in evidence.databases.rows("sla", query)
    }
    standing = _standing_breaches(evidence)
    found = []
    for key, told in sorted(_recomputed(evidence).items()):
        if abs(told.due_at - evidence.now) < _GRACE:
            continue
        if key in stored and stored[key] != told:
            found.append(f"{key} is {stored[key]}, its history says {told}")
        wanted = [told.due_at] if told.state == "breached" else []
        if standing.get(key, []) != wanted:
            found.append(f"{key}: breaches told {standing.get(key, [])}, its history says {wanted}")
    return found


def _desk_violations(evidence: Evidence) -> Iterator[str]:
    query = "SELECT ticket_id, target, cycle, state, due_at FROM clock WHERE target <> 'classification'"
    of_sla = evidence.databases.rows("sla", query)
    query = "SELECT ticket_id, target, cycle, state, due_at FROM ticket_clock"
    of_desk = {row[:3]: row[3:] for row in evidence.databases.rows("desk", query)}
    for *key, state, due_at in of_sla:
        seen = of_desk.pop(tuple(key), None)
        if seen is None or instant(seen[1]) != instant(due_at):
            yield f"{tuple(key)} is due at {due_at}, on the desk at {seen and seen[1]}"
        # That a deadline passed is told by the breach, not by another schedule.
        elif seen[0] != state and (seen[0], state) != ("running", "breached"):
            yield f"{tuple(key)} is {state}, on the desk {seen[0]}"
    yield from (f"{key} is a clock that only the desk knows" for key in sorted(of_desk))


def _standing_breaches(evidence: Evidence) -> dict[Key, list[datetime]]:
    """Return the deadlines of breaches that were told and not taken back, by clock."""
    standing = defaultdict[Key, list[datetime]](list)
    for record in evidence.log.events("sla.breached"):
        standing[_key(record.said)].append(_time(record.said["due_at"]))
    for record in evidence.log.events("sla.retracted"):
        told, due_at = standing[_key(record.said)], _time(record.said["due_at"])
        if due_at in told:
            told.remove(due_at)
    return standing


def _recomputed(evidence: Evidence) -> dict[Key, Told]:
    """Return every clock that must be there, by the rules applied to the log."""
    policies = _documents(evidence, "policies")
    calendars = _documents(evidence, "calendar")
    facts = _facts(evidence)
    query = "SELECT id, policies_version, calendar_version FROM sla_case"
    terms = {row[0]: (policies[row[1]], calendars[row[2]]) for row in evidence.databases.rows("sla", query)}
    # A case that sla never heard of is judged by whatever is in force: it is missing all the same.
    usual = next(iter(policies.values())), next(iter(calendars.values()))
    return {
        (case_id, *name): told
        for case_id, known in facts.items()
        for name, told in clocks(known, *terms.get(case_id, usual), evidence.now).items()
    }


def _documents(evidence: Evidence, table: str) -> dict[str, Mapping[str, Any]]:
    rows = evidence.databases.rows("sla", f"SELECT version, document FROM {table}")  # noqa: S608  # ours
    return {version: json.loads(document) for version, document in rows}


def _facts(evidence: Evidence) -> dict[str, Facts]:
    found = defaultdict[str, Facts](lambda: Facts(None, [], [], []))
    for record in evidence.log.events("feedback.received"):
        case_id = record.said["feedback_id"]
        found[case_id] = found[case_id]._replace(received_at=_time(record.said["received_at"]))
    for record in evidence.log.events("feedback.attached"):
        said = record.said
        found[said["feedback_id"]].outcomes.append((0, _time(said["attached_at"]), "attached"))
    for record in evidence.log.events("feedback.classified"):
        said = record.said
        outcome = said["revision"], _time(said["classified_at"]), said["outcome"]
        found[said["feedback_id"]].outcomes.append(outcome)
    for record in evidence.log.events("ticket.routed"):
        said = record.said
        routing = said["routing"], _time(said["routed_at"]), _policy(said["labels"])
        found[said["ticket_id"]].routings.append(routing)
    for record in evidence.log.events("ticket.progressed"):
        said = record.said
        if said["step"] in _CLOCK_STEPS:
            found[said["ticket_id"]].steps.append(
                (said["version"], _time(said["progressed_at"]), said["step"])
            )
    for facts in found.values():
        for kind in facts[1:]:
            kind.sort()
    return dict(found)


def _policy(labels: Mapping[str, Any]) -> str:
    if labels["urgency"] == "urgent":
        return "urgent"
    return "complex" if labels["complex"] or labels["urgency"] == "complaint" else "ordinary"


def _key(said: Mapping[str, Any]) -> Key:
    return said["ticket_id"], said["target"], said["cycle"]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
