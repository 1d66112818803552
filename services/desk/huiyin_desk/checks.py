"""What the desk tells `huiyin verify`, and what it recounts: every routed ticket is here, once, in its department."""

from collections.abc import Mapping, Sequence
from typing import Final

from huiyin_chassis.service import Check, Fact, Recount
from huiyin_desk import queries

FACTS: Final[Mapping[str, Fact]] = {
    "desk.tickets": queries.all_tickets,
    "desk.feedback": queries.all_feedback,
}


async def routed_tickets_are_here(recount: Recount) -> Sequence[str]:
    """Return tickets that the router routed and the desk lacks or keeps elsewhere, and tickets nobody routed."""
    here = {row[0]: (row[1], row[4]) async for row in recount.facts("desk.tickets")}
    routed = {row[0]: (row[1], row[2]) async for row in recount.facts("router.tickets")}
    missing = [f"{key} was routed and is not on the desk" for key in sorted(routed.keys() - here.keys())]
    unknown = [f"{key} is on the desk and was never routed" for key in sorted(here.keys() - routed.keys())]
    moved = [
        f"{key} was routed to {routed[key][0]} and stands at {here[key][0]}"
        for key in sorted(here.keys() & routed.keys())
        if here[key] != routed[key]
    ]
    return [*missing, *unknown, *moved]


async def feedback_has_one_home(recount: Recount) -> Sequence[str]:
    """Return feedback of tickets and attachments that the desk lacks."""
    here = {row[0] async for row in recount.facts("desk.feedback")}
    return [
        f"{feedback_id} has the outcome {outcome} and no place on the desk"
        async for feedback_id, outcome, *_ in recount.facts("router.outcomes")
        if outcome in {"ticket", "attached"} and feedback_id not in here
    ]


CHECKS: Final = (
    Check("desk holds every routed ticket", routed_tickets_are_here),
    Check("desk holds every feedback of a ticket", feedback_has_one_home),
)
