"""What the router tells `huiyin verify`, and what it recounts: every accepted feedback has exactly one outcome."""

from collections.abc import Mapping, Sequence
from typing import Final

from huiyin_chassis.service import Check, Fact, Recount
from huiyin_router import queries

FACTS: Final[Mapping[str, Fact]] = {
    "router.outcomes": queries.all_outcomes,
    "router.tickets": queries.all_tickets,
}


async def accepted_feedback_has_one_outcome(recount: Recount) -> Sequence[str]:
    """Return accepted feedback without an outcome, and outcomes of feedback that nobody has accepted."""
    accepted = {row[0] async for row in recount.facts("intake.feedback")}
    decided = [row[0] async for row in recount.facts("router.outcomes")]
    missing = [f"{key} has no outcome" for key in sorted(accepted.difference(decided))]
    unknown = [f"{key} was never accepted" for key in sorted(set(decided) - accepted)]
    return [*missing, *unknown]


async def tickets_were_routed(recount: Recount) -> Sequence[str]:
    """Return feedback whose ticket was never routed, and routed tickets without their first feedback."""
    routed = {row[0] async for row in recount.facts("router.tickets")}
    wrong: list[str] = []
    firsts: set[str] = set()
    async for feedback_id, outcome, ticket_id, _department in recount.facts("router.outcomes"):
        if feedback_id == ticket_id:
            firsts.add(ticket_id)
        if outcome in {"ticket", "attached"} and ticket_id not in routed:
            wrong.append(f"{feedback_id} has the outcome {outcome} and no routed ticket")
    return [*wrong, *(f"ticket {key} has no first feedback" for key in sorted(routed - firsts))]


CHECKS: Final = (
    Check("router gave every accepted feedback one outcome", accepted_feedback_has_one_outcome),
    Check("router routed every ticket that feedback belongs to", tickets_were_routed),
)
