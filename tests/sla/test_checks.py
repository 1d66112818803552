"""What `huiyin verify` recounts of sla, and that it finds what is wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from random import Random
from typing import Any

import pytest
from sqlalchemy import delete, update

from huiyin_chassis.clock import utc_now
from huiyin_sla.checks import CHECKS, FACTS
from huiyin_sla.models import case_fact, clock
from tests.sla.driver import NOON, SlaDriver, hours, progressed, received, routed

COUNTED, ROUTED, OVERLOOKED, FOLLOW = (check.name for check in CHECKS)


class Facts:
    """Gives this service's own facts, and those of others as a test says."""

    def __init__(self, sla: SlaDriver, **others: list[tuple[Any, ...]]) -> None:
        self._sla = sla
        self._others: Mapping[str, list[tuple[Any, ...]]] = {
            "intake.feedback": others.get("feedback", []),
            "router.tickets": others.get("tickets", []),
        }

    async def facts(self, name: str) -> AsyncIterator[tuple[Any, ...]]:
        if name in self._others:
            for row in self._others[name]:
                yield row
            return
        async with self._sla.database.reading() as tx:
            async for row in FACTS[name](tx):
                yield row


async def wrong(sla: SlaDriver, **others: list[tuple[Any, ...]]) -> dict[str, list[str]]:
    facts = Facts(sla, **others)
    found = {check.name: list(await check.run(facts)) for check in CHECKS}
    return {name: examples for name, examples in found.items() if examples}


@pytest.fixture
async def cases(sla: SlaDriver) -> SlaDriver:
    """Give cases in every state, told by facts and found by the sweep."""
    now = utc_now()
    await sla.deliver(
        *(received(case, at=now - hours(200)) for case in ("a", "b", "c")),
        routed("a", at=now - hours(199)),
        routed("b", at=now - hours(1)),
        progressed("answered", "a", at=now - hours(190), version=2),
        progressed("paused", "b", at=now - hours(0.5), version=2),
    )
    await sla.sweep(now)
    return sla


FEEDBACK = [("a",), ("b",), ("c",)]
TICKETS = [("a", "logistics", 1), ("b", "logistics", 1)]


async def test_all_is_well_after_facts_and_sweeps(cases: SlaDriver) -> None:
    assert len(await cases.breached()) == 3

    assert await wrong(cases, feedback=FEEDBACK, tickets=TICKETS) == {}


async def test_feedback_and_tickets_without_clocks_are_found(cases: SlaDriver) -> None:
    found = await wrong(cases, feedback=[("a",), ("b",), ("d",)], tickets=[*TICKETS, ("c", "design", 1)])

    assert found == {
        COUNTED: [
            "d was accepted and has no classification clock",
            "c has a classification clock and was never accepted",
        ],
        ROUTED: ["c was routed and has no response clock", "c was routed and has no resolution clock"],
    }


async def test_a_deadline_nobody_swept_is_found(sla: SlaDriver) -> None:
    await sla.deliver(received("a", at=utc_now() - hours(2)))

    [(name, examples)] = (await wrong(sla, feedback=[("a",)])).items()

    assert name == OVERLOOKED
    assert examples[0].startswith("a classification 1 runs, and was due at ")


async def test_a_clock_that_was_tampered_with_is_found(cases: SlaDriver) -> None:
    async with cases.database.writing() as tx:
        await tx.execute(update(clock).where(clock.c.ticket_id == "a").values(met_at=NOON))

    found = await wrong(cases, feedback=FEEDBACK, tickets=TICKETS)

    assert set(found) == {FOLLOW}
    assert len(found[FOLLOW]) == 3
    assert "met_at is" in found[FOLLOW][0]


async def test_clocks_and_facts_that_are_gone_are_found(cases: SlaDriver) -> None:
    async with cases.database.writing() as tx:
        await tx.execute(delete(clock).where(clock.c.ticket_id == "b", clock.c.target == "response"))
        await tx.execute(delete(case_fact).where(case_fact.c.case_id == "c"))

    found = await wrong(cases, feedback=FEEDBACK)

    assert found == {
        FOLLOW: ["b response 1: is missing", "c classification 1: does not follow from any fact"]
    }


async def test_clocks_follow_from_facts_whatever_comes_at_once(sla: SlaDriver) -> None:
    ids = [f"case-{number:02}" for number in range(20)]
    now = utc_now()

    await asyncio.gather(
        sla.deliver(*(routed(case, at=now - hours(30)) for case in ids)),
        sla.deliver(*(progressed("answered", case, at=now - hours(1), version=2) for case in reversed(ids))),
        sla.deliver(*(received(case, at=now - hours(31)) for case in ids)),
        sla.sweep(now),
        sla.deliver(*(progressed("paused", case, at=now - hours(2), version=3) for case in ids[5:])),
        sla.sweep(now),
    )
    await sla.sweep(now)

    assert await wrong(sla, feedback=[(case,) for case in ids]) == {}
    assert len(await sla.breached()) - len(await sla.retracted()) == 20


async def test_clocks_follow_from_facts_after_any_story(sla: SlaDriver) -> None:
    random = Random(11)
    now = utc_now()
    for number in range(12):
        case, started = f"case-{number:02}", now - hours(random.uniform(1, 200))
        steps = random.choices(["answered", "paused", "resumed", "resolved", "reopened", "merged"], k=6)
        at = [started + (now - started) * random.random() for _ in steps]
        story = [
            received(case, at=started),
            routed(case, at=started, urgency=random.choice(["normal", "urgent", "complaint"])),
            *(
                progressed(step, case, at=moment, version=version)
                for version, (step, moment) in enumerate(zip(steps, sorted(at), strict=True), start=2)
            ),
        ]
        random.shuffle(story)
        for event in story:
            await sla.deliver(event)
            if random.random() < 0.5:
                await sla.sweep(started + (now - started) * random.random())
    await sla.sweep(now)

    assert await wrong(sla, feedback=[(f"case-{number:02}",) for number in range(12)]) == {}
