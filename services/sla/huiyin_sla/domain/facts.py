"""What is known of one case, as a set of dated facts from several topics.

"Answered" may arrive before "routed", and every event may arrive twice. The ledger is a set, so neither
matters: whatever the order of arrival, the same facts give the same cycles and so the same clocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from huiyin_contracts.vocabulary import Outcome
from huiyin_sla.domain.policies import PolicyName
from huiyin_sla.errors import TimeNotAware

StepKind = Literal["answered", "paused", "resumed", "resolved", "reopened", "archived", "merged"]
FactKind = Literal["received", "classified", "routed"] | StepKind

STEPS: tuple[StepKind, ...] = (
    "answered",
    "paused",
    "resumed",
    "resolved",
    "archived",
    "merged",
    "reopened",
)
"""Steps of the desk in the order assumed for steps of the same instant and version."""
_UNDECIDED = frozenset({Outcome.TRIAGE, Outcome.OTHER})
_DISMISSED = frozenset({Outcome.ATTACHED, Outcome.THANKED, Outcome.NOT_FEEDBACK})


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to a case at its own time, ``at``, whenever we heard of it.

    ``sequence`` is the publisher's own count within the case, which orders facts of one topic even when its
    clock went back: the revision of a classification, the number of a routing, the version of a ticket.
    Raises TimeNotAware for a time without a zone.
    """

    kind: FactKind
    at: datetime
    sequence: int = 0
    policy: PolicyName | None = None
    outcome: Outcome | None = None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise TimeNotAware
        # Arithmetic between times of one zone ignores its summer time; in UTC it cannot.
        object.__setattr__(self, "at", self.at.astimezone(UTC))


@dataclass(frozen=True, slots=True)
class Cycle:
    """One stretch of work on a case: from the first routing, or a reopening, up to the next reopening."""

    number: int
    started_at: datetime
    policy: PolicyName
    steps: tuple[Fact, ...]
    """The steps that count, in the desk's order: none after the case was closed."""
    closed_at: datetime | None
    """When the cycle could no longer be worked on: archived, merged, dismissed or reopened."""


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """All facts of a case. The case id is the first feedback's, which is also its ticket's."""

    case_id: str
    facts: frozenset[Fact] = frozenset()

    def with_facts(self, *facts: Fact) -> "CaseFacts":
        """Return the ledger with the facts added; a known fact changes nothing."""
        return replace(self, facts=self.facts.union(facts))

    @property
    def received_at(self) -> datetime | None:
        """Return when the feedback was received."""
        return min((fact.at for fact in self._of("received")), default=None)

    @property
    def classified_at(self) -> datetime | None:
        """Return when the case first had an outcome other than triage; a routing implies one."""
        decided = (fact.at for fact in self._of("classified") if fact.outcome not in _UNDECIDED)
        routed = (fact.at for fact in self._of("routed"))
        return min((*decided, *routed), default=None)

    @property
    def dismissed_at(self) -> datetime | None:
        """Return when the newest classification took the case off the desk, if it did."""
        newest = max(self._of("classified"), key=_order, default=None)
        return newest.at if newest and newest.outcome in _DISMISSED else None

    def cycles(self) -> tuple[Cycle, ...]:
        """Return the cycles of work from the first routing on, none before it is known.

        Routing anew opens no cycle. A reopened case goes on with the policy it was last routed by.
        """
        routings = sorted(self._of("routed"), key=_order)
        if not routings:
            return ()
        steps = sorted((fact for fact in self.facts if fact.kind in STEPS), key=_order)
        openings = [routings[0], *(step for step in steps if step.kind == "reopened")]
        stretches = _split(steps)
        ends = [*(opening.at for opening in openings[1:]), None]
        return tuple(
            self._cycle(number, opening=opening, routings=routings, steps=stretch, end_at=end_at)
            for number, (opening, stretch, end_at) in enumerate(
                zip(openings, stretches, ends, strict=True), start=1
            )
        )

    def _cycle(
        self, number: int, *, opening: Fact, routings: list[Fact], steps: list[Fact], end_at: datetime | None
    ) -> Cycle:
        dismissed_at = self.dismissed_at
        if dismissed_at is not None and dismissed_at < opening.at:
            dismissed_at = None
        counted = tuple(
            step for step in _until_closed(steps) if dismissed_at is None or step.at <= dismissed_at
        )
        closings = (step.at for step in counted if step.kind in ("archived", "merged"))
        ends = (end for end in (*closings, dismissed_at, end_at) if end is not None)
        return Cycle(
            number=number,
            started_at=opening.at,
            policy=_policy_of(opening, routings=routings),
            steps=counted,
            closed_at=min(ends, default=None),
        )

    def _of(self, kind: FactKind) -> Iterator[Fact]:
        return (fact for fact in self.facts if fact.kind == kind)


def _order(fact: Fact) -> tuple[int, datetime, int, str, str]:
    rank = STEPS.index(fact.kind) if fact.kind in STEPS else -1
    return fact.sequence, fact.at, rank, fact.policy or "", fact.outcome or ""


def _split(steps: list[Fact]) -> list[list[Fact]]:
    stretches: list[list[Fact]] = [[]]
    for step in steps:
        if step.kind == "reopened":
            stretches.append([])
        else:
            stretches[-1].append(step)
    return stretches


def _until_closed(steps: list[Fact]) -> Iterator[Fact]:
    for step in steps:
        yield step
        if step.kind in ("archived", "merged"):
            return


def _policy_of(opening: Fact, *, routings: list[Fact]) -> PolicyName:
    """Return the policy of the first routing, and for a reopening that of the last routing before it."""
    known = [routing for routing in routings if routing.at <= opening.at] or routings
    routing = opening if opening.kind == "routed" else known[-1]
    return routing.policy or "ordinary"
