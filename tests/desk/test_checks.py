"""What the desk recounts: it must find what is missing, moved or nobody's."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from huiyin_desk.checks import FACTS, feedback_has_one_home, routed_tickets_are_here
from tests.desk.conftest import attached, routed
from tests.support.service import ServiceDriver

HERE = ("t-1", "logistics", "dispatched", 1, 1)


class Told:
    """Facts as other services would tell them."""

    def __init__(self, rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        self._rows = rows

    async def facts(self, name: str) -> AsyncIterator[tuple[Any, ...]]:
        """Give the rows told under a name."""
        for row in self._rows[name]:
            yield row


@pytest.mark.parametrize(
    ("here", "there", "found"),
    [
        ([HERE], [("t-1", "logistics", 1)], 0),
        ([], [("t-1", "logistics", 1)], 1),
        ([HERE], [], 1),
        ([HERE], [("t-1", "product", 1)], 1),
        ([HERE], [("t-1", "logistics", 2)], 1),
    ],
)
async def test_a_ticket_that_is_missing_strange_or_elsewhere_is_found(
    here: list[tuple[Any, ...]], there: list[tuple[Any, ...]], found: int
) -> None:
    wrong = await routed_tickets_are_here(Told({"desk.tickets": here, "router.tickets": there}))

    assert len(wrong) == found


async def test_feedback_without_a_place_on_the_desk_is_found_and_thanked_feedback_is_not() -> None:
    outcomes = [
        ("f-1", "ticket", "f-1", "a"),
        ("f-2", "attached", "f-1", "a"),
        ("f-3", "thanked", None, None),
    ]

    wrong = await feedback_has_one_home(
        Told({"desk.feedback": [("f-1", "f-1")], "router.outcomes": outcomes})
    )

    assert wrong == ["f-2 has the outcome attached and no place on the desk"]


async def test_the_desk_tells_its_tickets_and_their_feedback(desk: ServiceDriver) -> None:
    await desk.deliver(routed(), attached("f-2"))

    async with desk.database.reading() as tx:
        tickets = [row async for row in FACTS["desk.tickets"](tx)]
        feedback = [row async for row in FACTS["desk.feedback"](tx)]

    assert tickets == [("t-1", "logistics", "dispatched", 1, 1)]
    assert feedback == [("f-2", "t-1"), ("t-1", "t-1")]
