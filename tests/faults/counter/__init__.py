"""The independent counter: recounts, from outside, what a run of the suite has left behind.

It shares no code with the suite. It reads the databases by plain SQL, the log by librdkafka, and what clients were
answered from the load's own history; its rules are those of the services, written a second time. So a fault in the
suite's own `verify` does not hide here.

Count when everything rests: no request under way, outboxes empty, consumers at the end of the log.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.faults.counter import accepted, clocks, effects, letters, paths, rollups, sequences
from tests.faults.counter.databases import Databases
from tests.faults.counter.evidence import Evidence
from tests.faults.counter.history import read_history
from tests.faults.counter.log import read_log

INVARIANTS: Final[Mapping[str, str]] = {
    "I1": "every accepted post is one feedback with one outcome and one effect per consumer and event; "
    "a refused one is none or, when sent again, one",
    "I2": "one live clock per case, target and cycle",
    "I3": "one breach per missed target, none for one that was kept, by an oracle of its own",
    "I4": "the figures of analytics equal a recount from the log and from the databases",
    "I5": "the sequence of every case has no gap and never goes back",
    "I6": "dead letters are exactly the poison that was put in",
    "I7": "the audit chain is whole",
    "I8": "webhook receivers got every event, repeats with the same id",
    "I9": "no event id stands twice in a topic except what a relay published again unchanged",
    "I10": "every ticket's history is a path of the six steps",
}
NOT_APPLICABLE: Final[Mapping[str, str]] = {
    "I7": "an audit chain",
    "I8": "webhooks",
}
"""Invariants that nothing in this version could break yet, and what they wait for to be built."""

_RULES: Final[Mapping[str, Callable[[Evidence], list[str]]]] = {
    "I1": lambda evidence: [*accepted.violations(evidence), *effects.violations(evidence)],
    "I2": clocks.timer_violations,
    "I3": clocks.breach_violations,
    "I4": rollups.violations,
    "I5": sequences.order_violations,
    "I6": letters.violations,
    "I9": sequences.repetition_violations,
    "I10": paths.violations,
}


def count(history: Path, databases: Mapping[str, str], bootstrap: str) -> dict[str, list[str]]:
    """Return the violations of each applicable invariant, nothing but empty lists when all hold.

    `databases` gives each service's SQLite path or URL or PostgreSQL URL. Blocks while it reads everything.
    """
    return judge(gather(history, databases, bootstrap))


def gather(history: Path, databases: Mapping[str, str], bootstrap: str) -> Evidence:
    """Return all that can be known of a run from outside."""
    attempts, injections = read_history(history)
    return Evidence(attempts, injections, Databases(databases), read_log(bootstrap), now=datetime.now(UTC))


def judge(evidence: Evidence) -> dict[str, list[str]]:
    """Return the violations of each applicable invariant."""
    return {name: rule(evidence) for name, rule in _RULES.items()}
