"""What is known of one case: a ledger of facts that may arrive in any order, twice, and corrected.

Of two facts of one name the one of higher rank holds. So a ledger depends on which events were heard, never on their
order or number: the log, read again from its beginning, gives the same ledger and therefore the same figures.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Kind(StrEnum):
    """Kinds of facts; a case has at most one of a kind and `of`."""

    RECEIVED = "received"
    CLASSIFIED = "classified"
    DECIDED = "decided"
    ATTACHED = "attached"
    ROUTED = "routed"
    STEP = "step"
    CLOCK = "clock"
    WARNED = "warned"
    BREACHED = "breached"
    RETRACTED = "retracted"


class Fact(NamedTuple):
    """One thing known of a case; `said` holds JSON values only.

    `of` tells facts of one kind apart: the number of a routing, the version of a step, the target of a clock.
    """

    kind: Kind
    said: Mapping[str, Any]
    of: str = ""
    rank: int = 0

    @property
    def name(self) -> str:
        """Return what at most one fact of a case is called."""
        return f"{self.kind} {self.of}" if self.of else self.kind

    def outranks(self, other: "Fact") -> bool:
        """Tell whether this one holds against another of the same name; of equals, whichever came is the same."""
        if self.rank != other.rank:
            return self.rank > other.rank
        # Two tellings of one fact are alike; should they ever differ, the choice must not depend on the order.
        return self.said != other.said and _text(self) > _text(other)


Ledger = Mapping[str, Fact]
"""The facts of one case by name."""


def merged(ledger: Ledger, facts: Iterable[Fact]) -> Ledger:
    """Return the ledger with the facts entered; the very same ledger when they say nothing new."""
    entered = news(ledger, facts)
    return {**ledger, **entered} if entered else ledger


def news(ledger: Ledger, facts: Iterable[Fact]) -> Ledger:
    """Return those of the facts that a ledger does not hold, or holds with a lower rank."""
    entered: dict[str, Fact] = {}
    for fact in facts:
        name = fact.name
        known = entered.get(name) or ledger.get(name)
        if known is None or fact.outranks(known):
            entered[name] = fact
    return entered


def by_kind(ledger: Ledger) -> dict[Kind, list[Fact]]:
    """Return the facts by their kinds, none where there is no fact."""
    found: dict[Kind, list[Fact]] = {}
    for fact in ledger.values():
        found.setdefault(fact.kind, []).append(fact)
    return found


def to_json(ledger: Ledger) -> dict[str, Any]:
    """Return a ledger as a JSON object."""
    return {name: [fact.rank, fact.said] for name, fact in ledger.items()}


def from_json(stored: Mapping[str, Any]) -> Ledger:
    """Return the ledger that `to_json` stored; facts of a kind that this version does not know are left out."""
    found = {}
    for name, (rank, said) in stored.items():
        kind, _, of = name.partition(" ")
        if kind in _KINDS:
            found[name] = Fact(_KINDS[kind], said, of, rank)
    return found


def stamp(at: datetime) -> str:
    """Return an instant as it stands in a fact."""
    return at.astimezone(UTC).isoformat()


def earliest(at: datetime) -> int:
    """Return the rank by which the earlier of two facts holds."""
    return -((at - _EPOCH) // _MICROSECOND)


_KINDS: Final[Mapping[str, Kind]] = {kind.value: kind for kind in Kind}


def _text(fact: Fact) -> str:
    return repr(sorted(fact.said.items()))
