"""The places of the rollup, and what they hold: sums of cases, that change by differences."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Measure(StrEnum):
    """What is counted; some have variants, some buckets, durations also a total in milliseconds."""

    RECEIVED = "received"
    OUTCOME = "outcome"
    RATING = "rating"
    NPS = "nps"
    ATTACHED = "attached"
    ROUTED = "routed"
    REROUTED = "rerouted"
    CLOSED = "closed"
    MERGED = "merged"
    ANSWERED = "answered"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    ARCHIVED = "archived"
    REVIEWED = "reviewed"
    MET = "met"
    BREACHED = "breached"
    WARNED = "warned"
    CLASSIFICATION_TIME = "classification_time"
    RESPONSE_TIME = "response_time"
    RESOLUTION_TIME = "resolution_time"


class Cell(NamedTuple):
    """One place in the rollup; `day` is an ISO date, what is not known is an empty text."""

    measure: str
    day: str
    variant: str
    bucket: int
    channel: str
    nature: str
    type: str
    subtype: str
    department: str
    store: str
    urgency: str


CELL_COLUMNS: Final = tuple(Cell.__annotations__)
"""The names of a cell's places, as columns of the rollup."""


class Tally(NamedTuple):
    """What a cell holds: how many, and the total of their durations (milliseconds) or ratings (percents)."""

    n: int
    total: int


Increment = tuple[Cell, int]
"""One of what a case counts for: where, and what it adds to the total there."""
Contribution = Mapping[Cell, Tally]
"""What a case adds up to, by cell."""


def days_of(cells: Iterable[Cell]) -> set[str]:
    """Return the days of cells."""
    return {cell.day for cell in cells}
