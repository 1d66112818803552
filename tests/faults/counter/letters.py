"""I6: dead letters are exactly the injected poison."""

from tests.faults.counter.effects import READERS
from tests.faults.counter.evidence import Evidence


def violations(evidence: Evidence) -> list[str]:
    """Return events that were put aside without being poison, and poison that was not."""
    found = []
    for service in evidence.databases.services:
        rows = evidence.databases.rows(service, "SELECT topic, part, off FROM dead_letter")
        buried = {(topic, part, off) for topic, part, off in rows}
        wanted = {place for place in evidence.poison if service in READERS.get(place[0], ())}
        found += [f"{service} put {each} aside, which is no poison" for each in sorted(buried - wanted)]
        found += [f"{service} did not put {each} aside, which is poison" for each in sorted(wanted - buried)]
    return found
