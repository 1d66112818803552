from datetime import timedelta
from typing import Any

from huiyin_simulator.client import connected
from huiyin_simulator.outcomes import Outcomes, catch_up, settle
from tests.simulator.answering import Answer, Asked, answering


def classification(feedback_id: str, outcome: str = "ticket", **changes: Any) -> dict[str, Any]:
    labels = {"type": "logistics", "subtype": "delivery"}
    return {
        "feedback_id": feedback_id,
        "outcome": outcome,
        "department": "logistics",
        "labels": labels,
    } | changes


class Router:
    """Answers like the router: newest first in pages, one by id, 404 for what it has not heard of."""

    def __init__(self, *classified: dict[str, Any]) -> None:
        self.classified = list(classified)
        self.lists = 0

    def __call__(self, asked: Asked) -> Answer:
        if asked.path != "/v1/classifications":
            wanted = asked.path.rpartition("/")[2]
            found = [each for each in self.classified if each["feedback_id"] == wanted]
            return Answer(found[0]) if found else Answer({"detail": "unknown"}, status=404)
        self.lists += 1
        start, limit = int(asked.query.get("cursor", 0)), int(asked.query["limit"])
        newest = self.classified[::-1][start : start + limit]
        is_last = start + limit >= len(self.classified)
        return Answer({"items": newest, "next": None if is_last else str(start + limit)})


def expecting(*feedback_ids: str) -> Outcomes:
    outcomes = Outcomes()
    outcomes.expect(feedback_ids)
    return outcomes


async def test_each_outcome_is_counted_once_and_departments_by_their_tickets() -> None:
    outcomes = expecting("a", "b", "c", "d")
    router = Router(
        classification("a"),
        classification("b", "attached"),
        classification("c", "triage", department=None),
        classification("d", "thanked", department=None),
    )

    with answering(router) as server:
        async with connected(server.url, "key") as client:
            assert await settle(client, outcomes)
            await catch_up(client, outcomes)

    assert outcomes.counts == {"ticket": 1, "attached": 1, "triage": 1, "thanked": 1}
    assert outcomes.routed == {"logistics": 1}
    assert outcomes.issues == {("logistics", "delivery"): 2}
    assert outcomes.waiting == set()


async def test_feedback_of_others_and_pending_ones_are_not_counted() -> None:
    outcomes = expecting("mine")

    with answering(Router(classification("other"), classification("mine", "pending"))) as server:
        async with connected(server.url, "key") as client:
            assert not await settle(client, outcomes, stalled_after=timedelta(seconds=0.1))

    assert (outcomes.settled, outcomes.waiting) == (0, {"mine"})


async def test_what_the_router_has_not_heard_of_is_waited_for_only_so_long() -> None:
    outcomes = expecting("lost", "found")

    with answering(Router(classification("found"))) as server:
        async with connected(server.url, "key") as client:
            assert not await settle(client, outcomes, stalled_after=timedelta(seconds=0.1))

    assert outcomes.waiting == {"lost"}


async def test_a_long_history_is_not_read_when_the_newest_pages_tell_all() -> None:
    old = [classification(f"old-{number}") for number in range(2_000)]
    router = Router(*old, classification("new"))

    with answering(router) as server:
        async with connected(server.url, "key") as client:
            assert await settle(client, expecting("new"))

    assert router.lists == 1


async def test_a_straggler_behind_a_long_history_is_found_by_its_id() -> None:
    later = [classification(f"later-{number}") for number in range(1_000)]
    router = Router(classification("straggler"), *later)

    with answering(router) as server:
        async with connected(server.url, "key") as client:
            assert await settle(client, expecting("straggler"))

    assert router.lists <= 3


async def test_many_stragglers_are_found_by_reading_the_whole_list_once() -> None:
    behind = [classification(f"behind-{number}") for number in range(300)]
    router = Router(*behind, *(classification(f"later-{number}") for number in range(1_000)))

    with answering(router) as server:
        async with connected(server.url, "key") as client:
            assert await settle(client, expecting(*(each["feedback_id"] for each in behind)))

    assert router.lists < 20


async def test_posting_may_go_on_when_the_backlog_is_small_enough() -> None:
    with answering(Router()) as server:
        async with connected(server.url, "key") as client:
            assert await settle(client, expecting("a", "b"), backlog=2)

    assert server.asked == []
