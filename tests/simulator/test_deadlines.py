from datetime import UTC, datetime, timedelta
from typing import Any

from huiyin_simulator.client import connected
from huiyin_simulator.deadlines import Deadlines, count_breached, judge_deadlines, until_clocks_run
from tests.simulator.answering import Answer, Asked, answering

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


def clock(ticket_id: str, state: str, target: str = "response", *, after: float = 1) -> dict[str, Any]:
    at = (START + timedelta(seconds=after)).isoformat()
    told = {"met_at": at if state == "met" else None, "breached_at": at if state == "breached" else None}
    return {"ticket_id": ticket_id, "state": state, "target": target, "due_at": at, **told}


class Clocks:
    """Answers like the sla service: clocks by their state and target."""

    def __init__(self, *clocks: dict[str, Any]) -> None:
        self.clocks = list(clocks)

    def __call__(self, asked: Asked) -> Answer:
        wanted = {name: asked.query[name] for name in ("state", "target") if name in asked.query}
        return page([each for each in self.clocks if wanted.items() <= each.items()])


def page(items: list[dict[str, Any]]) -> Answer:
    return Answer({"items": items, "next": None})


async def judged(*clocks: dict[str, Any]) -> Deadlines:
    with answering(Clocks(*clocks)) as server:
        async with connected(server.url, "key") as client:
            return await judge_deadlines(client, since=START)


async def test_a_ticket_is_on_time_when_it_kept_a_promise_and_broke_none() -> None:
    deadlines = await judged(
        clock("kept", "met"),
        clock("kept", "met", "resolution"),
        clock("answered", "met"),
        clock("answered", "running", "resolution"),
        clock("late", "met"),
        clock("late", "breached", "resolution"),
        clock("open", "running"),
    )

    assert deadlines == Deadlines(on_time=frozenset({"kept", "answered"}), breached=frozenset({"late"}))


async def test_the_classification_of_a_feedback_is_no_promise_to_its_author() -> None:
    assert await judged(clock("t", "breached", "classification")) == Deadlines(frozenset(), frozenset())


async def test_what_happened_before_the_run_does_not_count() -> None:
    deadlines = await judged(clock("old", "breached", after=-1), clock("older", "met", after=-60))

    assert deadlines == Deadlines(frozenset(), frozenset())


async def test_a_deadline_that_the_sweep_has_not_told_yet_counts_from_its_time() -> None:
    overdue = clock("t", "breached") | {"breached_at": None}

    assert (await judged(overdue)).breached == {"t"}


async def test_a_ticket_that_misses_both_deadlines_is_counted_once() -> None:
    with answering(Clocks(clock("t", "breached"), clock("t", "breached", "resolution"))) as server:
        async with connected(server.url, "key") as client:
            assert await count_breached(client, since=START) == 1


def test_deadlines_of_some_tickets_are_those_of_no_others() -> None:
    deadlines = Deadlines(on_time=frozenset("ab"), breached=frozenset("cd"))

    assert deadlines.of({"a", "c", "x"}) == Deadlines(frozenset("a"), frozenset("c"))


async def test_the_newest_tickets_are_waited_for_until_their_clocks_run() -> None:
    running: list[dict[str, Any]] = []

    def answer(asked: Asked) -> Answer:
        if asked.path == "/v1/classifications":
            return page([{"ticket_id": "a"}, {"ticket_id": "b"}])
        running.append(clock("ab"[len(running)], "running", "resolution"))
        return page(running)

    with answering(answer) as server:
        async with connected(server.url, "key") as client:
            assert await until_clocks_run(client)

    assert len(running) == 2


async def test_clocks_that_never_start_are_not_waited_for_for_ever() -> None:
    def answer(asked: Asked) -> Answer:
        return page([{"ticket_id": "a"}] if asked.path == "/v1/classifications" else [])

    with answering(answer) as server:
        async with connected(server.url, "key") as client:
            assert not await until_clocks_run(client, patience=timedelta(seconds=0.1))
