"""What `huiyin verify` recounts for analytics is quiet when all is right and tells what is wrong."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import update

from huiyin_analytics.app import SERVICE
from huiyin_analytics.models import rollup
from huiyin_contracts.vocabulary import Outcome, Step, Target
from tests.analytics.stories import NOON, Story, handled
from tests.support.service import ServiceDriver

Row = tuple[Any, ...]
CHECKS = {check.name: check for check in SERVICE.checks}


class Suite:
    """Answers for the other services as they would, and for analytics from its own database."""

    def __init__(self, analytics: ServiceDriver, facts: dict[str, list[Row]]) -> None:
        self._analytics = analytics
        self._facts = facts

    async def facts(self, name: str) -> AsyncIterator[Row]:
        for row in self._facts.get(name, []):
            yield row
        if name in SERVICE.facts:
            async with self._analytics.database.reading() as tx:
                async for row in SERVICE.facts[name](tx):
                    yield row


def told() -> dict[str, list[Row]]:
    """Return what the other services hold after the stories of `suite`."""
    return {
        "intake.feedback": [("f-1", "wechat", NOON, NOON), ("f-2", "wechat", NOON, NOON)],
        "router.outcomes": [("f-1", "ticket", "f-1", "product"), ("f-2", "triage", None, None)],
        "desk.tickets": [("f-1", "product", "archived", 1, 1)],
        "sla.clocks": [
            ("f-1", "response", 1, "met", NOON, NOON),
            ("f-1", "resolution", 1, "breached", NOON, None),
        ],
    }


@pytest.fixture
async def stories(analytics: ServiceDriver) -> ServiceDriver:
    first = handled("f-1").breached(Target.RESOLUTION, due=60)
    second = Story("f-2").received().classified(Outcome.TRIAGE)
    await analytics.deliver(*first.events, *second.events)
    return analytics


async def test_every_check_is_quiet_when_all_is_right(stories: ServiceDriver) -> None:
    for check in SERVICE.checks:
        assert await check.run(Suite(stories, told())) == [], check.name


MISSED: list[tuple[str, str, Row, str]] = [
    (
        "rollups count every received feedback",
        "intake.feedback",
        ("f-3", "hotline", NOON, NOON),
        "feedback received 2026-11-20 hotline: 0 counted, 1 there",
    ),
    (
        "rollups count every outcome",
        "router.outcomes",
        ("f-3", "thanked", None, None),
        "outcomes thanked: 0 counted, 1 there",
    ),
    (
        "rollups count every ticket",
        "desk.tickets",
        ("f-3", "logistics", "dispatched", 1, 1),
        "tickets logistics: 0 counted, 1 there",
    ),
    (
        "rollups count every ticket",
        "desk.tickets",
        ("f-1", "product", "archived", 1, 1),
        "archived tickets product: 1 counted, 2 there",
    ),
    (
        "rollups count every clock met or breached",
        "sla.clocks",
        ("f-3", "response", 1, "breached", NOON, None),
        "clocks breached response: 0 counted, 1 there",
    ),
]


async def test_a_check_tells_what_was_not_counted(stories: ServiceDriver) -> None:
    for check, fact, row, problem in MISSED:
        facts = told()
        facts[fact].append(row)

        assert problem in await CHECKS[check].run(Suite(stories, facts))


async def test_an_outcome_not_decided_yet_is_no_difference(stories: ServiceDriver) -> None:
    facts = told()
    facts["router.outcomes"].append(("f-3", "pending", None, None))

    assert await CHECKS["rollups count every outcome"].run(Suite(stories, facts)) == []


async def test_a_spoiled_rollup_is_told(stories: ServiceDriver) -> None:
    async with stories.database.writing() as tx:
        await tx.execute(update(rollup).where(rollup.c.measure == "answered").values(n=rollup.c.n + 1))

    found = await CHECKS["rollups equal a recount"].run(Suite(stories, told()))

    assert len(found) == 1
    assert "answered 2026-11-20" in found[0]


async def test_a_reopened_ticket_is_not_among_the_archived(stories: ServiceDriver) -> None:
    reopened = Story("f-1", version=20, cycle=1).step(Step.REOPENED, after=50_000)
    await stories.deliver(*reopened.events)
    facts = told()
    facts["desk.tickets"] = [("f-1", "product", "reopened", 2, 1)]

    assert await CHECKS["rollups count every ticket"].run(Suite(stories, facts)) == []
