"""Tickets that come back are routed anew, and every ticket is known to be open or closed."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from huiyin_contracts.feedback import FeedbackClassified, FeedbackReceived
from huiyin_contracts.tickets import TicketRouted
from huiyin_contracts.vocabulary import Outcome, RoutingReason
from huiyin_router.models import routed_case
from tests.router.feedback import LATE_DELIVERY, feedback, progressed, unit
from tests.support.service import ServiceDriver

RETURNED: Mapping[str, Any] = {"status": "returned", "reason": "not ours"}


@pytest.fixture
async def ticket(router: ServiceDriver) -> FeedbackReceived:
    """Route a ticket to logistics, with marketing and product as further rules' departments."""
    for department in ("marketing", "product"):
        rule = {"name": f"late-{department}", "when": {"text_contains": "外卖晚"}, "department": department}
        await router.deliver(unit(department))
        assert (await router.client.post("/v1/routing-rules", json=rule)).status_code == 201
    posted = feedback(LATE_DELIVERY, author="u-1")
    await router.deliver(posted)
    return posted


async def test_a_returned_ticket_goes_to_the_next_rule_that_matches(
    router: ServiceDriver, ticket: FeedbackReceived
) -> None:
    await router.deliver(progressed(ticket, "returned", **RETURNED))

    routed = (await router.published(TicketRouted))[-1]
    assert routed.department == "marketing"
    assert routed.previous_department == "logistics"
    assert routed.routing == 2
    assert routed.reason is RoutingReason.RETURNED
    assert routed.rule == "late-marketing"
    classified = (await router.published(FeedbackClassified))[-1]
    assert (classified.outcome, classified.department, classified.revision) == (
        Outcome.TICKET,
        "marketing",
        2,
    )
    assert classified.reason == "not ours"


async def test_a_ticket_that_all_departments_have_returned_waits_in_triage_and_stays_a_ticket(
    router: ServiceDriver, ticket: FeedbackReceived
) -> None:
    departments = ("logistics", "marketing", "product")
    for version, department in enumerate(departments, start=2):
        await router.deliver(
            progressed(ticket, "returned", department=department, version=version, **RETURNED)
        )

    classified = (await router.published(FeedbackClassified))[-1]
    assert classified.outcome is Outcome.TRIAGE
    assert classified.ticket_id == classified.case_id == ticket.feedback_id
    assert classified.decided_by == "wang"
    assert [one.department for one in await router.published(TicketRouted)] == list(departments)
    [item] = (await router.client.get("/v1/triage")).json()["items"]
    assert item["ticket_id"] == ticket.feedback_id


async def test_a_person_routes_a_ticket_out_of_triage_even_back_to_where_it_was(
    router: ServiceDriver, ticket: FeedbackReceived
) -> None:
    await router.deliver(unit("logistics"))
    for version, department in enumerate(("logistics", "marketing", "product"), start=2):
        await router.deliver(
            progressed(ticket, "returned", department=department, version=version, **RETURNED)
        )

    answer = await router.client.post(
        f"/v1/triage/{ticket.feedback_id}/decide", json={"department": "product"}
    )

    assert answer.status_code == 200
    routed = (await router.published(TicketRouted))[-1]
    assert (routed.department, routed.routing, routed.reason) == ("product", 4, RoutingReason.TRIAGE)
    await router.deliver(progressed(ticket, "returned", department="product", version=6, **RETURNED))
    assert (await router.published(FeedbackClassified))[-1].outcome is Outcome.TRIAGE


async def test_a_returned_ticket_cannot_be_called_no_feedback(
    router: ServiceDriver, ticket: FeedbackReceived
) -> None:
    for version, department in enumerate(("logistics", "marketing", "product"), start=2):
        await router.deliver(
            progressed(ticket, "returned", department=department, version=version, **RETURNED)
        )

    answer = await router.client.post(
        f"/v1/triage/{ticket.feedback_id}/decide", json={"not_feedback": True, "reason": "spam"}
    )

    assert answer.status_code == 409
    assert answer.json()["ticket_id"] == ticket.feedback_id


async def test_a_return_that_was_heard_before_changes_nothing(
    router: ServiceDriver, ticket: FeedbackReceived
) -> None:
    await router.deliver(progressed(ticket, "returned", **RETURNED))

    await router.deliver(progressed(ticket, "returned", **RETURNED))

    assert len(await router.published(TicketRouted)) == 2


async def test_a_return_by_a_department_that_lost_the_ticket_meanwhile_is_only_remembered(
    router: ServiceDriver, ticket: FeedbackReceived
) -> None:
    path = f"/v1/classifications/{ticket.feedback_id}/correct"
    await router.client.post(path, json={"department": "product", "reason": "a fault of the lid"})

    await router.deliver(progressed(ticket, "returned", department="logistics", **RETURNED))

    assert [one.department for one in await router.published(TicketRouted)] == ["logistics", "product"]


async def test_a_department_that_takes_no_tickets_is_passed_over(
    router: ServiceDriver, ticket: FeedbackReceived
) -> None:
    await router.deliver(unit("marketing", active=False, revision=2))

    await router.deliver(progressed(ticket, "returned", **RETURNED))

    assert (await router.published(TicketRouted))[-1].department == "product"


async def test_what_was_attached_follows_the_ticket_to_its_new_department(
    router: ServiceDriver, ticket: FeedbackReceived
) -> None:
    follow_up = feedback("快点！", author="u-1")
    await router.deliver(follow_up)

    await router.deliver(progressed(ticket, "returned", **RETURNED))

    seen = await router.client.get(f"/v1/classifications/{follow_up.feedback_id}")
    assert (seen.json()["outcome"], seen.json()["department"]) == ("attached", "marketing")
    told = [
        one for one in await router.published(FeedbackClassified) if one.feedback_id == follow_up.feedback_id
    ]
    assert [(one.department, one.revision) for one in told] == [("logistics", 1), ("marketing", 2)]


@pytest.mark.parametrize(
    ("status", "open_after"),
    [("resolved", 0), ("archived", 0), ("merged", 0), ("paused", 1), ("reopened", 1)],
)
async def test_a_ticket_is_open_until_it_is_resolved_archived_or_merged(
    router: ServiceDriver, ticket: FeedbackReceived, status: str, open_after: int
) -> None:
    await router.deliver(progressed(ticket, status, status=status, version=3))

    async with router.database.reading() as tx:
        case = (await tx.execute(select(routed_case))).one()
    assert case.is_open == bool(open_after)


async def test_steps_of_tickets_nobody_routed_are_left_alone(router: ServiceDriver) -> None:
    await router.deliver(progressed(feedback(), "returned", **RETURNED))

    assert await router.published(TicketRouted) == []


async def test_an_older_step_heard_late_does_not_open_a_closed_ticket(
    router: ServiceDriver, ticket: FeedbackReceived
) -> None:
    await router.deliver(progressed(ticket, "archived", status="archived", version=5))

    await router.deliver(progressed(ticket, "accepted", status="accepted", version=3))

    async with router.database.reading() as tx:
        case = (await tx.execute(select(routed_case))).one()
    assert (case.is_open, case.version) == (False, 5)
