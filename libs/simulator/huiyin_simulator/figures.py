"""The result of a run, as `huiyin seed` and `huiyin demo` give it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from huiyin_simulator.board import Posted
from huiyin_simulator.client import SuiteClient
from huiyin_simulator.deadlines import Deadlines
from huiyin_simulator.outcomes import Outcomes


@dataclass(frozen=True, slots=True)
class Figures:
    """What was posted, and what became of it; None where nobody waited to see. `accepted` counts new feedback."""

    posted: int
    accepted: int
    duplicates: int
    refused: int
    tickets: int | None = None
    attached: int | None = None
    triage: int | None = None
    thanked: int | None = None
    not_feedback: int | None = None
    dead: int | None = None
    routed: Mapping[str, int] = field(default_factory=dict)
    on_time: int | None = None
    breached: int | None = None
    seconds: float = 0

    def document(self) -> dict[str, Any]:
        """Return the JSON document of the commands (docs: interface of `demo` and `seed`)."""
        return asdict(self)


def posted_figures(posted: Posted, *, seconds: float) -> Figures:
    """Return the figures of a run that did not wait for outcomes."""
    return Figures(
        posted=posted.rows,
        accepted=posted.accepted,
        duplicates=posted.duplicates,
        refused=posted.refused,
        seconds=round(seconds, 1),
    )


def settled_figures(
    posted: Posted, outcomes: Outcomes, deadlines: Deadlines, *, dead: int, seconds: float
) -> Figures:
    """Return the figures of a run whose outcomes are known; departments with most tickets first."""
    counts: Counter[str] = outcomes.counts
    return Figures(
        posted=posted.rows,
        accepted=posted.accepted,
        duplicates=posted.duplicates,
        refused=posted.refused,
        tickets=counts["ticket"],
        attached=counts["attached"],
        triage=counts["triage"],
        thanked=counts["thanked"],
        not_feedback=counts["not_feedback"],
        dead=dead,
        routed=dict(outcomes.routed.most_common()),
        on_time=len(deadlines.on_time),
        breached=len(deadlines.breached),
        seconds=round(seconds, 1),
    )


async def count_dead_letters(client: SuiteClient) -> int:
    """Return how many events no service could take and nobody has settled yet."""
    return len([None async for _ in client.items("/v1/dead-letters", state="open")])
