"""What the router tells `huiyin verify`, and what it finds."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from huiyin_router.checks import CHECKS, FACTS
from tests.router.feedback import LATE_DELIVERY, PRAISE, feedback
from tests.support.service import ServiceDriver

Rows = Mapping[str, Sequence[tuple[Any, ...]]]


class Told:
    """A recount over rows that are given."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def facts(self, name: str) -> AsyncIterator[tuple[Any, ...]]:
        """Give the rows under a name."""
        for row in self._rows[name]:
            yield row


async def found(rows: Rows) -> list[str]:
    """Return what all checks find in these rows."""
    return [example for check in CHECKS for example in await check.run(Told(rows))]


async def test_the_router_tells_its_outcomes_and_tickets(router: ServiceDriver) -> None:
    ticket, thanks = feedback(LATE_DELIVERY, feedback_id="f-1"), feedback(PRAISE, feedback_id="f-2")
    await router.deliver(ticket, thanks)

    async with router.database.reading() as tx:
        told = {name: [row async for row in fact(tx)] for name, fact in FACTS.items()}

    assert told == {
        "router.outcomes": [("f-1", "ticket", "f-1", "logistics"), ("f-2", "thanked", None, None)],
        "router.tickets": [("f-1", "logistics", 1)],
    }


async def test_a_sound_suite_gives_no_examples() -> None:
    rows: Rows = {
        "intake.feedback": [("f-1",), ("f-2",)],
        "router.outcomes": [("f-1", "ticket", "f-1", "product"), ("f-2", "attached", "f-1", "product")],
        "router.tickets": [("f-1", "product", 1)],
    }

    assert await found(rows) == []


async def test_what_is_lost_made_up_or_without_its_ticket_is_found() -> None:
    rows: Rows = {
        "intake.feedback": [("f-1",), ("f-2",)],
        "router.outcomes": [("f-2", "attached", "f-9", "product"), ("f-3", "thanked", None, None)],
        "router.tickets": [("f-4", "product", 1)],
    }

    assert await found(rows) == [
        "f-1 has no outcome",
        "f-3 was never accepted",
        "f-2 has the outcome attached and no routed ticket",
        "ticket f-4 has no first feedback",
    ]
