"""The measures, one module each: what it takes is told by its docstring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.figures import Figure
from bench.measures import accept, batch, broker, catch_up, chain, flat, memory, relay, routed, start
from bench.run import Bench

Measure = Callable[[Bench], Sequence[Figure]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A measure and the numbers of the targets that it tells of."""

    numbers: tuple[str, ...]
    measure: Measure
    what: str

    @property
    def name(self) -> str:
        """Return the measure's short name."""
        return self.measure.__module__.rsplit(".", 1)[1]


MEASURES: Final = (
    Entry(
        ("T1", "T2", "T3", "T4", "T6", "T7", "CPU"),
        accept.measure,
        "single posts against bare FastAPI, the database's limit and django-helpdesk",
    ),
    Entry(("T5",), batch.measure, "batch posts against single posts"),
    Entry(("T9", "stage"), chain.measure, "the whole chain, and what each service costs in it"),
    Entry(("T10", "catch-up"), catch_up.measure, "every consumer from a backlog"),
    Entry(("T8",), routed.measure, "from the 202 to a readable ticket.routed"),
    Entry(("T11",), relay.measure, "an outbox of 50,000 rows emptied"),
    Entry(("T15",), memory.measure, "memory at rest and after work"),
    Entry(("T16",), start.measure, "cold start against django-helpdesk"),
    Entry(("broker",), broker.measure, "the embedded broker beside Apache Kafka"),
    Entry(("flat",), flat.measure, "cost per feedback with ten times as much stored"),
)
"""All measures in the order of a run."""
