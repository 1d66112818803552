"""I10: every ticket's history is a path of the six-step flow: 接收-分类-派单-处理-复核-归档."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from tests.faults.counter.evidence import Evidence

_WORK: Final = frozenset({"dispatched", "accepted", "answered", "paused", "reopened"})
_PATHS: Final[Mapping[str, tuple[frozenset[str], frozenset[str] | None]]] = {
    "accepted": (frozenset({"dispatched", "reopened"}), frozenset({"accepted"})),
    "returned": (_WORK - {"paused"}, frozenset({"returned"})),
    "assigned": (_WORK, None),
    "answered": (_WORK, frozenset({"answered", "paused"})),
    "paused": (frozenset({"accepted", "answered", "reopened"}), frozenset({"paused"})),
    "resumed": (frozenset({"paused"}), frozenset({"accepted", "answered"})),
    "resolved": (_WORK, frozenset({"resolved"})),
    "reviewed": (frozenset({"resolved"}), None),
    "reopened": (frozenset({"resolved", "archived"}), frozenset({"reopened"})),
    "archived": (frozenset({"resolved"}), frozenset({"archived"})),
    "merged": (_WORK, frozenset({"merged"})),
}
"""From which statuses a step may start, and to which it may lead; None where it leaves the status as it is."""


def violations(evidence: Evidence) -> list[str]:
    """Return tickets with a step that cannot follow the one before, or a status that their steps do not lead to."""
    steps = defaultdict[str, list[Mapping[str, Any]]](list)
    for record in evidence.log.events("ticket.progressed"):
        steps[record.said["ticket_id"]].append(record.said)
    rows = evidence.databases.rows("desk", "SELECT id, status, version FROM ticket")
    unknown = [
        f"ticket {each} has steps and is not on the desk" for each in steps.keys() - {r[0] for r in rows}
    ]
    return unknown + [
        f"ticket {ticket_id}: {found}"
        for ticket_id, status, version in rows
        for found in _walk(steps[ticket_id], status=status, version=version)
    ]


def _walk(steps: list[Mapping[str, Any]], *, status: str, version: int) -> list[str]:
    """Return the first thing wrong with a path, which begins dispatched with version 1."""
    at, number, reviewed = "dispatched", 1, None
    for step in sorted(steps, key=lambda each: each["version"]):
        if step["version"] <= number:
            return [f"two steps have version {step['version']}"]
        # A version without a step is a routing anew, after which the ticket is nobody's again.
        at = at if step["version"] == number + 1 else "dispatched"
        number = step["version"]
        wrong = _wrong(step, at=at, reviewed=reviewed)
        if wrong:
            return [wrong]
        reviewed = step.get("satisfied") if step["step"] == "reviewed" else None
        at = step["status"]
    if version > number:
        at = "dispatched"
    return [] if at == status else [f"its steps lead to {at}, it is {status}"]


def _wrong(step: Mapping[str, Any], *, at: str, reviewed: bool | None) -> str | None:
    name, after = step["step"], step["status"]
    if name == "customer_replied":
        return None if after == at else f"a reply moved it from {at} to {after}"
    starts, ends = _PATHS.get(name, (frozenset[str](), None))
    if at not in starts:
        return f"{name} from {at}"
    if after not in (ends or {at}):
        return f"{name} led from {at} to {after}"
    if name == "archived" and reviewed is not True:
        return "archived without a satisfied review"
    return None
