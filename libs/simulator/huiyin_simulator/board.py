"""What a demonstration shows while it runs: figures that its parts keep up to date."""

from collections import Counter
from dataclasses import dataclass, field

from huiyin_simulator.outcomes import Outcomes
from huiyin_simulator.posting import Receipt


@dataclass(slots=True)
class Posted:
    """What was posted so far, and what intake said to it."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: int = 0

    def add(self, receipt: Receipt) -> None:
        """Count one more batch."""
        self.rows += receipt.posted
        self.accepted += len(receipt.accepted_ids)
        self.duplicates += receipt.duplicates
        self.refused += len(receipt.refusals)


@dataclass(slots=True)
class Board:
    """The figures of a running demonstration; `steps` counts (department, verb), satisfied reviews as `archived`."""

    total: int
    posted: Posted = field(default_factory=Posted)
    accepted_ids: list[str] = field(default_factory=list)
    outcomes: Outcomes = field(default_factory=Outcomes)
    arrived: Counter[str] = field(default_factory=Counter)
    steps: Counter[tuple[str, str]] = field(default_factory=Counter)
    breached: int = 0

    def done(self, verb: str) -> int:
        """Return how often all departments together did something."""
        return sum(count for (_, each), count in self.steps.items() if each == verb)
