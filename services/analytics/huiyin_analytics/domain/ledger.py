"""What is known of one case: a ledger of facts that may arrive in any order, twice, and corrected.

Of two facts of one name the one of higher rank holds. So a ledger depends on which events were heard, never on their
order or number: the log, read again from its beginning, gives the same ledger and therefore the same figures.
"""

from collections.abc import Iterable, Mapping, Sequence
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
        return _PREFIXES[self.kind] + self.of if self.of else self.kind.value


def is_of(name: str, kind: Kind) -> bool:
    """Tell whether a fact of that name is of a kind."""
    return name.startswith(_PREFIXES[kind]) or name == kind


SaidByKind = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What is said of a case: by the value of the kind, then by `of`."""
Entry = Sequence[Any]
"""What a ledger holds under a fact's name: its rank, and what it said."""
Ledger = Mapping[str, Entry]
"""The facts of one case by name, in the very form in which they are stored as JSON.

They are not made into facts again: a ledger is read and written with every event, its entries are mostly passed on.
"""


def merged(ledger: Ledger, facts: Iterable[Fact]) -> Ledger:
    """Return the ledger with the facts entered; the very same ledger when they say nothing new."""
    entered = news(ledger, facts)
    return {**ledger, **entered} if entered else ledger


def news(ledger: Ledger, facts: Iterable[Fact]) -> dict[str, Entry]:
    """Return the entries of those facts that a ledger does not hold, or holds with a lower rank."""
    entered: dict[str, Entry] = {}
    for fact in facts:
        name = fact.name
        known = entered.get(name) or ledger.get(name)
        entry = [fact.rank, fact.said]
        if known is None or _outranks(entry, known):
            entered[name] = entry
    return entered


def facts_of(ledger: Ledger) -> list[Fact]:
    """Return the facts of a ledger; those of a kind that this version does not know are left out."""
    named = ((*name.partition(_BETWEEN)[::2], entry) for name, entry in ledger.items())
    return [Fact(_KINDS[kind], said, of, rank) for kind, of, (rank, said) in named if kind in _KINDS]


def by_kind(ledger: Ledger) -> SaidByKind:
    """Return what the facts of a ledger said, by kind and `of`."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, (_, said) in ledger.items():
        kind, _, of = name.partition(_BETWEEN)
        if kind in found:
            found[kind][of] = said
        else:
            found[kind] = {of: said}
    return found


def with_facts(known: SaidByKind, entered: SaidByKind) -> SaidByKind:
    """Return facts with others entered beside them or in their place."""
    both = dict(known)
    for kind, said in entered.items():
        both[kind] = {**both[kind], **said} if kind in both else said
    return both


def _outranks(entry: Entry, known: Entry) -> bool:
    """Tell whether one entry holds against another of the same name; of equals, whichever came is the same."""
    (rank, said), (known_rank, known_said) = entry, known
    if rank != known_rank:
        return bool(rank > known_rank)
    # Two tellings of one fact are alike; should they ever differ, the choice must not depend on the order.
    return said != known_said and _text(said) > _text(known_said)


def stamp(at: datetime) -> str:
    """Return an instant as it stands in a fact."""
    text = at.isoformat()
    return text if text.endswith("+00:00") else at.astimezone(UTC).isoformat()


def earliest(at: datetime) -> int:
    """Return the rank by which the earlier of two facts holds."""
    return -((at - _EPOCH) // _MICROSECOND)


_KINDS: Final[Mapping[str, Kind]] = {kind.value: kind for kind in Kind}
_BETWEEN: Final = " "
_PREFIXES: Final[Mapping[Kind, str]] = {kind: f"{kind}{_BETWEEN}" for kind in Kind}


def _text(said: Mapping[str, Any]) -> str:
    return repr(sorted(said.items()))
