"""Every feedback gets exactly one outcome."""

from datetime import timedelta

import pytest

from huiyin_chassis.migrate import assert_schema_matches
from huiyin_contracts.feedback import Author, FeedbackAttached, FeedbackClassified, Rating
from huiyin_contracts.tickets import TicketRouted
from huiyin_contracts.vocabulary import AttachReason, Outcome, RoutingReason
from tests.router.feedback import BROKEN, FOREIGN, LATE_DELIVERY, PRAISE, RUDE, feedback, unit
from tests.support.service import ServiceDriver


async def test_the_migrations_build_what_the_models_say(router: ServiceDriver) -> None:
    await assert_schema_matches(router.database, router.service)


@pytest.mark.parametrize(
    ("text", "department"),
    [(LATE_DELIVERY, "logistics"), (BROKEN, "product"), (RUDE, "customer-service")],
)
async def test_a_complaint_becomes_a_ticket_of_the_department_its_type_belongs_to(
    router: ServiceDriver, text: str, department: str
) -> None:
    posted = feedback(text, author="u-1", store="shanghai-01")

    await router.deliver(posted)

    [classified] = await router.published(FeedbackClassified)
    [routed] = await router.published(TicketRouted)
    assert classified.outcome is Outcome.TICKET
    assert classified.ticket_id == routed.ticket_id == posted.feedback_id
    assert classified.department == routed.department == department
    assert classified.revision == routed.routing == 1
    assert routed.reason is RoutingReason.RULE
    assert classified.decided_by == f"rule:{routed.rule}"
    assert routed.text == text
    assert routed.store == "shanghai-01"
    assert routed.labels == classified.labels


async def test_praise_without_a_wish_is_thanked(router: ServiceDriver) -> None:
    await router.deliver(feedback(PRAISE))

    [classified] = await router.published(FeedbackClassified)
    assert classified.outcome is Outcome.THANKED
    assert classified.case_id == classified.feedback_id
    assert classified.ticket_id is None
    assert await router.published(TicketRouted) == []
