"""I4: what analytics has added up equals a recount from the log, and the log's recount equals the databases."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from tests.faults.counter.databases import instant
from tests.faults.counter.evidence import Evidence
from tests.faults.counter.log import Record

Cell = tuple[str, str, str]
"""A measure, its local date and its variant."""

_MILLISECOND: Final = timedelta(milliseconds=1)
_LIVE: Final = "projection = (SELECT id FROM projection WHERE state = 'live')"


def violations(evidence: Evidence) -> list[str]:
    """Return cells in which the rollup differs from the recount, and counts in which the databases do."""
    ((zone,),) = evidence.databases.rows("analytics", "SELECT zone FROM projection WHERE state = 'live'")
    recount = _Recount(evidence, ZoneInfo(zone))
    query = f"SELECT measure, day, variant, sum(n), sum(total) FROM rollup WHERE {_LIVE} GROUP BY 1, 2, 3"  # noqa: S608  # ours
    rows = evidence.databases.rows("analytics", query)
    counted = {row[:3]: (int(row[3]), int(row[4])) for row in rows}
    return [*_compare(counted, recount.cells(), what="rollup"), *_databases(evidence, recount)]


def _databases(evidence: Evidence, recount: "_Recount") -> Iterator[str]:
    """Give what the services' own tables say differently from the log."""
    databases = evidence.databases
    received = Counter(
        recount.day(instant(row[0])) for row in databases.rows("intake", "SELECT occurred_at FROM feedback")
    )
    outcomes = Counter(row[0] for row in databases.rows("router", "SELECT outcome FROM classification"))
    query = "SELECT target, state FROM clock WHERE state IN ('met', 'breached')"
    clocks = Counter(tuple(row) for row in databases.rows("sla", query))
    told = recount.cells()
    yield from _compare(received, _sum(told, "received", 1), what="feedback received on")
    yield from _compare(outcomes, _sum(told, "outcome", 2), what="outcomes")
    for state in ("met", "breached"):
        stored = {target: n for (target, is_state), n in clocks.items() if is_state == state}
        yield from _compare(stored, _sum(told, state, 2), what=f"clocks {state}")


def _sum(cells: Mapping[Cell, tuple[int, int]], measure: str, place: int) -> Counter[str]:
    found = Counter[str]()
    for cell, (n, _) in cells.items():
        if cell[0] == measure:
            found[cell[place]] += n
    return found


def _compare(counted: Mapping[Any, Any], wanted: Mapping[Any, Any], *, what: str) -> Iterator[str]:
    nothing = (0, 0) if what == "rollup" else 0
    for each in sorted(counted.keys() | wanted.keys()):
        if counted.get(each, nothing) != wanted.get(each, nothing):
            yield f"{what} {each}: {counted.get(each, nothing)} counted, {wanted.get(each, nothing)} in the log"


class _Recount:
    """Counts the log anew."""

    def __init__(self, evidence: Evidence, zone: ZoneInfo) -> None:
        self._log = evidence.log
        self._zone = zone
        self._cells = defaultdict[Cell, tuple[int, int]](lambda: (0, 0))

    def day(self, at: datetime) -> str:
        """Return the local date of an instant."""
        return at.astimezone(self._zone).date().isoformat()

    def cells(self) -> Mapping[Cell, tuple[int, int]]:
        """Return how many and their total, by cell."""
        self._cells.clear()
        self._count_feedback()
        self._count_tickets()
        self._count_clocks()
        return {cell: tally for cell, tally in self._cells.items() if tally != (0, 0)}

    def _count_feedback(self) -> None:
        for record in self._log.events("feedback.received"):
            said = record.said
            self._add("received", said["occurred_at"])
            if said.get("rating"):
                share = min(max(said["rating"]["value"] / said["rating"]["max"], 0), 1)
                self._add("rating", said["occurred_at"], total=int(share * 100 + 1e-9))
            if said.get("nps") is not None:
                self._add("nps", said["occurred_at"], total=said["nps"])
        newest: dict[str, Record] = {}
        decided: dict[str, tuple[datetime, str]] = {}
        for record in self._log.events("feedback.classified"):
            said, of = record.said, record.said["feedback_id"]
            if of not in newest or newest[of].said["revision"] < said["revision"]:
                newest[of] = record
            if said["outcome"] not in ("triage", "other"):
                at = _time(said["classified_at"]), said["received_at"]
                decided[of] = min(decided.get(of, at), at)
        for record in newest.values():
            self._add("outcome", record.said["occurred_at"], variant=record.said["outcome"])
        for decided_at, received_at in decided.values():
            self._add_span("classification_time", _time(received_at), decided_at)
        for record in self._log.events("feedback.attached"):
            self._add("attached", record.said["attached_at"], variant=record.said["reason"])

    def _count_tickets(self) -> None:
        steps = defaultdict[str, list[Mapping[str, Any]]](list)
        for record in self._log.events("ticket.progressed"):
            steps[record.said["ticket_id"]].append(record.said)
        opened: dict[str, str] = {}
        for record in sorted(self._log.events("ticket.routed"), key=lambda each: int(each.said["routing"])):
            known = opened.setdefault(record.said["ticket_id"], record.said["routed_at"])
            is_first = known == record.said["routed_at"] and record.said["routing"] == 1
            self._add("routed" if is_first else "rerouted", record.said["routed_at"])
        for ticket_id, said in steps.items():
            self._count_steps(sorted(said, key=lambda each: int(each["version"])), opened.get(ticket_id))

    def _count_steps(self, steps: list[Mapping[str, Any]], opened_at: str | None) -> None:
        ends = [step["step"] for step in steps if step["step"] in ("archived", "merged", "reopened")]
        if opened_at and ends and ends[-1] != "reopened":
            self._add("closed" if ends[-1] == "archived" else "merged", opened_at)
        first = {1: opened_at} | {
            each["cycle"]: each["progressed_at"] for each in steps if each["step"] == "reopened"
        }
        answered, spans = set[int](), set[tuple[str, int]]()
        for step in steps:
            name, at, cycle = step["step"], step["progressed_at"], step["cycle"]
            if name in ("resolved", "reopened", "archived") or (name == "answered" and cycle not in answered):
                self._add(name, at)
            if name == "answered":
                answered.add(cycle)
            if name == "reviewed":
                self._add(name, at, variant="satisfied" if step.get("satisfied") else "unsatisfied")
            for measure, ways in (
                ("response_time", ("answered", "resolved")),
                ("resolution_time", ("resolved",)),
            ):
                began = first.get(cycle)
                if name in ways and began and (measure, cycle) not in spans:
                    spans.add((measure, cycle))
                    self._add_span(measure, _time(began), _time(at))

    def _count_clocks(self) -> None:
        for (_, target, _), clock in self._newest_clocks().items():
            if clock["state"] == "met":
                self._add("met", clock["met_at"], variant=target)
        warned = {
            (*_clock(each), each.said["percent"]): each for each in reversed(self._log.events("sla.warned"))
        }
        for record in warned.values():
            self._add("warned", record.said["warned_at"], variant=record.said["target"])
        retracted = Counter(_clock(record) for record in self._log.events("sla.retracted"))
        told = defaultdict[tuple[Any, ...], list[str]](list)
        for record in self._log.events("sla.breached"):
            told[_clock(record)].append(record.said["breached_at"])
        for key, breaches in told.items():
            if len(breaches) > retracted[key]:
                self._add("breached", max(breaches, key=_time), variant=key[1])

    def _newest_clocks(self) -> Mapping[tuple[Any, ...], Mapping[str, Any]]:
        """Return the last word on each clock: of the older contract only where the newer never spoke of it."""
        newest: dict[tuple[Any, ...], Mapping[str, Any]] = {}
        for topic in ("sla.scheduled", "sla.scheduled.v2"):
            for record in sorted(self._log.events(topic), key=lambda each: each.sequence):
                for clock in record.said.get("clocks", [record.said]):
                    newest[record.said["ticket_id"], clock["target"], clock["cycle"]] = clock
        return newest

    def _add(self, measure: str, at: str, *, variant: str = "", total: int = 0) -> None:
        cell = (measure, self.day(_time(at)), variant)
        n, before = self._cells[cell]
        self._cells[cell] = (n + 1, before + total)

    def _add_span(self, measure: str, started_at: datetime, ended_at: datetime) -> None:
        total = max((ended_at - started_at) // _MILLISECOND, 0)
        self._add(measure, ended_at.isoformat(), total=total)


def _clock(record: Record) -> tuple[Any, ...]:
    return record.said["ticket_id"], record.said["target"], record.said["cycle"]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
