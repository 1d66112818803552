"""I1, first half: what clients were promised is stored once and has its one outcome."""

from collections import defaultdict

from tests.faults.counter.evidence import Evidence
from tests.faults.counter.history import Attempt, NaturalKey

OUTCOMES = frozenset({"ticket", "attached", "triage", "thanked", "not_feedback"})


def violations(evidence: Evidence) -> list[str]:
    """Return accepted feedback that is missing, doubled or without its one outcome, and what nobody posted."""
    return [*_stored_once(evidence), *_one_outcome(evidence), *_on_the_desk(evidence)]


def _stored_once(evidence: Evidence) -> list[str]:
    stored = defaultdict[NaturalKey, list[str]](list)
    query = "SELECT id, channel, account, external_id FROM feedback"
    for feedback_id, *natural_key in evidence.databases.rows("intake", query):
        channel, account, external_id = natural_key
        stored[channel, account, external_id].append(feedback_id)
    attempts = defaultdict[NaturalKey, list[Attempt]](list)
    for attempt in evidence.attempts:
        attempts[attempt.natural_key].append(attempt)
    unknown = [f"{key} is stored and was never posted" for key in stored if key not in attempts]
    return [*unknown, *(found for key in attempts for found in _judge(key, attempts[key], stored[key]))]


def _judge(key: NaturalKey, attempts: list[Attempt], stored: list[str]) -> list[str]:
    promised = {attempt.feedback_id for attempt in attempts if attempt.is_accepted}
    if len(promised) > 1:
        return [f"{key} was accepted under {len(promised)} ids"]
    if promised and stored != list(promised):
        return [f"{key} was accepted as {promised} and is stored as {stored}"]
    if len(stored) > 1:
        return [f"{key} is stored {len(stored)} times"]
    if stored and all(attempt.is_refused for attempt in attempts):
        return [f"{key} was refused and is stored"]
    return []


def _one_outcome(evidence: Evidence) -> list[str]:
    accepted = {row[0] for row in evidence.databases.rows("intake", "SELECT id FROM feedback")}
    rows = evidence.databases.rows("router", "SELECT feedback_id, outcome FROM classification")
    decided = {feedback_id for feedback_id, _ in rows}
    return [
        *(f"{each} was accepted and has no outcome" for each in sorted(accepted - decided)),
        *(f"{each} has an outcome and was never accepted" for each in sorted(decided - accepted)),
        *(f"{each} ended as {outcome!r}" for each, outcome in rows if outcome not in OUTCOMES),
        *(["feedback has more than one outcome"] if len(rows) != len(decided) else []),
    ]


def _on_the_desk(evidence: Evidence) -> list[str]:
    databases = evidence.databases
    tickets: dict[str, str | None] = dict(databases.rows("desk", "SELECT id, merged_into FROM ticket"))
    homes: dict[str, str] = dict(databases.rows("desk", "SELECT feedback_id, ticket_id FROM ticket_feedback"))
    routed = {record.said["ticket_id"] for record in evidence.log.events("ticket.routed")}
    found = [f"ticket {each} was routed and is not on the desk" for each in sorted(routed - tickets.keys())]
    found += [
        f"ticket {each} is on the desk and was never routed" for each in sorted(tickets.keys() - routed)
    ]
    decided = databases.rows(
        "router",
        "SELECT feedback_id, ticket_id FROM classification WHERE outcome IN ('ticket', 'attached')",
    )
    for feedback_id, ticket_id in decided:
        home = _final(ticket_id, tickets)
        if homes.get(feedback_id) != home:
            found.append(f"{feedback_id} belongs to ticket {home}, on the desk to {homes.get(feedback_id)}")
    return found


def _final(ticket_id: str, merged: dict[str, str | None]) -> str:
    while into := merged.get(ticket_id):
        ticket_id = into
    return ticket_id
