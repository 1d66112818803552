"""What a case adds to the rollup: a pure function of its ledger.

When a ledger changes, the rollup changes by the difference of two contributions; a recount adds up those of all
ledgers. Volumes fall on the local date of `occurred_at`, figures of clocks and work on that of the fact.
Type, store and the like are the case's as known now, so a correction moves what was counted before. The department is
the one that did or missed the work; before any work, the one where the case stands.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from huiyin_analytics.domain.buckets import bucket_of
from huiyin_analytics.domain.cells import Cell, Contribution, Increment, Measure, Tally
from huiyin_analytics.domain.ledger import Entry, Kind, Ledger, SaidByKind, by_kind, is_of, with_facts
from huiyin_contracts.vocabulary import ClockState, Step

_MILLISECOND: Final = timedelta(milliseconds=1)


_COUNTED: Final[Mapping[str, Measure]] = {
    Step.ANSWERED: Measure.ANSWERED,
    Step.RESOLVED: Measure.RESOLVED,
    Step.REOPENED: Measure.REOPENED,
    Step.ARCHIVED: Measure.ARCHIVED,
}
_ANSWERS: Final = frozenset({Step.ANSWERED.value, Step.RESOLVED.value})
_ENDS: Final = frozenset({Step.REOPENED.value, Step.ARCHIVED.value, Step.MERGED.value})


def contribution_of(ledger: Ledger, zone: ZoneInfo) -> Contribution:
    """Return all that a case adds to the rollup, by cell."""
    facts = by_kind(ledger)
    sums: dict[Cell, Tally] = {}
    for cell, total in _Increments(facts, _place_of(facts), zone).listed(_PARTS):
        n, known = sums.get(cell, _NOTHING)
        sums[cell] = Tally(n + 1, known + total)
    return sums


def increments_apart(
    before: Ledger, entered: Ledger, zone: ZoneInfo
) -> tuple[list[Increment], list[Increment]]:
    """Return what a case added and what it adds with the entries entered, both without what is surely the same.

    Most facts change one part: what is known of the work says nothing of when the feedback came.
    """
    new = by_kind(entered)
    if not before:
        return [], _Increments(new, _place_of(new), zone).listed(_PARTS)
    old = by_kind(before)
    after = with_facts(old, new)
    old_place = place = _place_of(old)
    if not _PLACING.isdisjoint(new):
        place = _place_of(after)
    parts = _parts_of(new) if place == old_place else _PARTS
    return _Increments(old, old_place, zone).listed(parts), _Increments(after, place, zone).listed(parts)


_NOTHING: Final = Tally(0, 0)
_UNKNOWN: Final[Mapping[str, Any]] = {}
_PLACING: Final = frozenset(
    {Kind.RECEIVED.value, Kind.CLASSIFIED.value, Kind.ATTACHED.value, Kind.ROUTED.value}
)
"""The kinds that `_place_of` reads."""


class _Place(NamedTuple):
    """Where a case is counted as known now: the places of a cell before and after its department."""

    head: tuple[str, str, str, str]
    department: str
    tail: tuple[str, str]


def _place_of(facts: SaidByKind) -> _Place:
    classified, routed = _only(facts, Kind.CLASSIFIED), _last(facts.get(Kind.ROUTED))
    standing = routed or classified
    labels = classified or standing or _UNKNOWN
    origin = labels or _only(facts, Kind.RECEIVED) or _only(facts, Kind.ATTACHED) or _UNKNOWN
    return _Place(
        head=(
            origin.get("channel") or "",
            labels.get("nature") or "",
            labels.get("type") or "",
            labels.get("subtype") or "",
        ),
        department=(standing["department"] if standing else None) or "",
        tail=(origin.get("store") or "", labels.get("urgency") or ""),
    )


def _only(facts: SaidByKind, kind: Kind) -> Mapping[str, Any] | None:
    """Return what the one fact of a kind said, None when it is not known."""
    found = facts.get(kind)
    return found[""] if found else None


def _last(routings: Mapping[str, Mapping[str, Any]] | None) -> Mapping[str, Any] | None:
    """Return what the newest of the routings said."""
    return routings[max(routings, key=int)] if routings else None


class _Increments:
    """Lists what one case adds."""

    def __init__(self, facts: SaidByKind, place: _Place, zone: ZoneInfo) -> None:
        self._facts = facts
        self._place = place
        self._zone = zone
        self._increments: list[Increment] = []

    def listed(self, parts: "Iterable[_Part]") -> list[Increment]:
        """Return what the facts add in these parts."""
        for add_part in parts:
            add_part(self)
        return self._increments

    def count_volumes(self) -> None:
        """Add what came in, and what became of it."""
        classified = _only(self._facts, Kind.CLASSIFIED)
        if classified is not None:
            self._add(Measure.OUTCOME, classified["occurred_at"], variant=classified["outcome"])
        received = _only(self._facts, Kind.RECEIVED)
        if received is None:
            return
        at, rating, nps = received["occurred_at"], received["rating"], received["nps"]
        self._add(Measure.RECEIVED, at)
        if rating is not None:
            self._add(Measure.RATING, at, bucket=rating, total=rating)
        if nps is not None:
            self._add(Measure.NPS, at, bucket=nps, total=nps)

    def count_decision(self) -> None:
        """Add how the feedback was decided."""
        attached = _only(self._facts, Kind.ATTACHED)
        if attached is not None:
            self._add(Measure.ATTACHED, attached["at"], variant=attached["reason"])
        decided = _only(self._facts, Kind.DECIDED)
        if decided is not None:
            self._add_span(Measure.CLASSIFICATION_TIME, decided["received_at"], decided["at"])

    def count_work(self) -> None:
        """Add routings and steps."""
        routed = self._facts.get(Kind.ROUTED, _UNKNOWN)
        routings = [routed[number] for number in sorted(routed, key=int)]
        steps = list(self._facts.get(Kind.STEP, _UNKNOWN).values())
        if routings:
            self._count_routings(routings, steps)
        if steps:
            self._count_steps(steps)
            self._count_spans(routings, steps)

    def _count_routings(
        self, routings: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]]
    ) -> None:
        first, *others = routings
        self._add(Measure.ROUTED, first["at"])
        for said in others:
            self._add(Measure.REROUTED, said["at"], department=said["department"])
        last = max((said for said in steps if said["step"] in _ENDS), key=_version, default=None)
        if last is not None and last["step"] != Step.REOPENED:
            measure = Measure.CLOSED if last["step"] == Step.ARCHIVED else Measure.MERGED
            self._add(measure, first["at"])

    def _count_steps(self, steps: Sequence[Mapping[str, Any]]) -> None:
        for said in steps:
            measure = _COUNTED.get(said["step"])
            if measure is not None:
                self._add(measure, said["at"], department=said["department"])
            elif said["step"] == Step.REVIEWED:
                variant = "satisfied" if said["satisfied"] else "unsatisfied"
                self._add(Measure.REVIEWED, said["at"], variant=variant, department=said["department"])

    def _count_spans(self, routings: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]]) -> None:
        """Count the durations of each cycle by itself: a reopened ticket is not as slow as it is old."""
        for cycle, started_at in _cycles(routings, steps).items():
            own = [said for said in steps if said["cycle"] == cycle]
            answer = min((said for said in own if said["step"] in _ANSWERS), key=_version, default=None)
            solution = min(
                (said for said in own if said["step"] == Step.RESOLVED), key=_version, default=None
            )
            if answer is not None:
                self._add_span(Measure.RESPONSE_TIME, started_at, answer["at"], answer["department"])
            if solution is not None:
                self._add_span(Measure.RESOLUTION_TIME, started_at, solution["at"], solution["department"])

    def count_clocks(self) -> None:
        """Add deadlines kept, missed and warned of."""
        for said in self._facts.get(Kind.WARNED, _UNKNOWN).values():
            self._add_clock(Measure.WARNED, said, at=said["at"])
        for said in self._facts.get(Kind.CLOCK, _UNKNOWN).values():
            if _has_met(said):
                self._add_clock(Measure.MET, said, at=said["met_at"])
        breaches = self._facts.get(Kind.BREACHED)
        if breaches:
            retractions = self._facts.get(Kind.RETRACTED, _UNKNOWN)
            for said in _standing_breaches(breaches.values(), retractions.values()):
                self._add_clock(Measure.BREACHED, said, at=said["at"])

    def _add_clock(self, measure: Measure, said: Mapping[str, Any], *, at: str) -> None:
        self._add(measure, at, variant=said["target"], department=said["department"] or "")

    def _add_span(
        self, measure: Measure, started_at: str, ended_at: str, department: str | None = None
    ) -> None:
        span = datetime.fromisoformat(ended_at) - datetime.fromisoformat(started_at)
        milliseconds = max(span // _MILLISECOND, 0)
        bucket = bucket_of(milliseconds)
        self._add(measure, ended_at, bucket=bucket, total=milliseconds, department=department)

    def _add(
        self,
        measure: Measure,
        at: str,
        *,
        variant: str = "",
        bucket: int = 0,
        total: int = 0,
        department: str | None = None,
    ) -> None:
        head, standing, tail = self._place
        where = standing if department is None else department
        # From one tuple: naming eleven fields costs more than all the rest, and this runs several times per event.
        cell = Cell._make(  # noqa: SLF001 - public, whatever its name looks like
            (measure, _local_day(at, self._zone), variant, bucket, *head, where, *tail)
        )
        self._increments.append((cell, total))


_Part = Callable[[_Increments], None]
_PART_OF: Final[Mapping[str, _Part]] = {
    Kind.RECEIVED: _Increments.count_volumes,
    Kind.CLASSIFIED: _Increments.count_volumes,
    Kind.DECIDED: _Increments.count_decision,
    Kind.ATTACHED: _Increments.count_decision,
    Kind.ROUTED: _Increments.count_work,
    Kind.STEP: _Increments.count_work,
    Kind.CLOCK: _Increments.count_clocks,
    Kind.WARNED: _Increments.count_clocks,
    Kind.BREACHED: _Increments.count_clocks,
    Kind.RETRACTED: _Increments.count_clocks,
}
"""The part of a contribution that facts of a kind belong to; each part also depends on where the case is counted."""
_PARTS: Final = tuple(dict.fromkeys(_PART_OF.values()))


def _parts_of(facts: SaidByKind) -> Iterable[_Part]:
    return {_PART_OF[kind] for kind in facts if kind in _PART_OF}


def is_silent(name: str, entry: Entry) -> bool:
    """Tell whether an entry adds nothing to any rollup, whatever else is known of its case."""
    return is_of(name, Kind.CLOCK) and not _has_met(entry[1])


def _has_met(clock: Mapping[str, Any]) -> bool:
    """Tell whether a clock's fact says that the work was done in time."""
    return clock["state"] == ClockState.MET and clock["met_at"] is not None


def _cycles(routings: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Return when each cycle began: with the first routing, then with each reopening."""
    reopenings = {said["cycle"]: said["at"] for said in steps if said["step"] == Step.REOPENED}
    return ({1: routings[0]["at"]} if routings else {}) | reopenings


def _standing_breaches(
    breaches: Iterable[Mapping[str, Any]], retractions: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Give the last breach of each clock that was told more often than taken back."""
    retracted = Counter(said["clock"] for said in retractions)
    breached: dict[str, list[Mapping[str, Any]]] = {}
    for said in breaches:
        breached.setdefault(said["clock"], []).append(said)
    for clock, told in breached.items():
        if len(told) > retracted[clock]:
            yield max(told, key=lambda said: datetime.fromisoformat(said["at"]))


@lru_cache(maxsize=4096)
def _local_day(at: str, zone: ZoneInfo) -> str:
    moment = datetime.fromisoformat(at)
    try:
        return moment.astimezone(zone).date().isoformat()
    except OverflowError:
        # The calendar's first and last day have no neighbour to fall on.
        return moment.date().isoformat()


def _version(said: Mapping[str, Any]) -> int:
    version: int = said["version"]
    return version
