"""What `huiyin verify` recounts of sla, and that it finds what is wrong."""

from collections.abc import AsyncIterator, Mapping
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
