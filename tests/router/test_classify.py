"""Every feedback gets exactly one outcome, and every ticket one department."""

import tomllib
from datetime import timedelta
from threading import current_thread, main_thread
from typing import Any

import pytest
from sqlalchemy import event, func, select

from huiyin_contracts.feedback import Author, FeedbackAttached, FeedbackClassified, Rating
from huiyin_contracts.tickets import TicketRouted
from huiyin_contracts.vocabulary import AttachReason, Outcome, RoutingReason
from huiyin_router.classifier.lexicon import shipped_lexicon
from huiyin_router.models import classification
from tests.router.feedback import (
    BROKEN,
    DISPUTE,
    FOREIGN,
    FRENCH,
    LATE_DELIVERY,
    NOON,
    PRAISE,
    RUDE,
    feedback,
    progressed,
    unit,
)
from tests.support.service import ServiceDriver


async def outcomes(router: ServiceDriver) -> dict[str, Outcome]:
    """Return the outcome of each feedback as it was announced."""
    return {one.feedback_id: one.outcome for one in await router.published(FeedbackClassified)}


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
    assert classified.ticket_id == classified.case_id == routed.ticket_id == posted.feedback_id
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
    assert classified.decided_by == "rule:praise"
    assert classified.case_id == classified.feedback_id
    assert await router.published(TicketRouted) == []


async def test_praise_with_a_question_is_not_thanked_away(router: ServiceDriver) -> None:
    await router.deliver(feedback("东西非常好，很满意！请问什么时候能开发票？"))

    [classified] = await router.published(FeedbackClassified)
    assert classified.outcome is not Outcome.THANKED


@pytest.mark.parametrize("stars", [1, 5])
async def test_a_rating_without_words_is_thanked_whatever_it_is(router: ServiceDriver, stars: int) -> None:
    await router.deliver(feedback("", kind="review", rating=Rating(value=stars, max=5)))

    [classified] = await router.published(FeedbackClassified)
    assert classified.outcome is Outcome.THANKED
    assert classified.decided_by == "rule:rating-only"


async def test_a_recommendation_score_without_words_is_a_rating_too(router: ServiceDriver) -> None:
    await router.deliver(feedback("", kind="survey", nps=3))

    [classified] = await router.published(FeedbackClassified)
    assert classified.decided_by == "rule:rating-only"


async def test_the_subject_is_read_as_well(router: ServiceDriver) -> None:
    await router.deliver(feedback("见附件", kind="email", subject=LATE_DELIVERY))

    [routed] = await router.published(TicketRouted)
    assert routed.department == "logistics"
    assert routed.subject == LATE_DELIVERY


async def test_a_picture_without_words_waits_for_a_person(router: ServiceDriver) -> None:
    await router.deliver(feedback("", kind="form"))

    [classified] = await router.published(FeedbackClassified)
    assert classified.outcome is Outcome.TRIAGE


@pytest.mark.parametrize(("text", "lang"), [(FOREIGN, None), (FRENCH, "fr-CA")])
async def test_a_language_nobody_reads_here_waits_for_a_person(
    router: ServiceDriver, text: str, lang: str | None
) -> None:
    await router.deliver(feedback(text, lang=lang))

    [classified] = await router.published(FeedbackClassified)
    assert classified.outcome is Outcome.TRIAGE
    assert classified.reason == "rule unread-language"


async def test_a_dispute_is_complex_and_more_pressing_than_a_complaint(router: ServiceDriver) -> None:
    await router.deliver(feedback(DISPUTE), feedback(LATE_DELIVERY))

    routed = {one.text: one for one in await router.published(TicketRouted)}
    assert routed[DISPUTE].labels.complex
    assert routed[DISPUTE].priority == 2
    assert not routed[LATE_DELIVERY].labels.complex
    assert routed[LATE_DELIVERY].priority == 5


async def test_a_vip_stands_one_place_ahead(router: ServiceDriver) -> None:
    await router.deliver(feedback(LATE_DELIVERY).model_copy(update={"author": Author(id="u-1", tier="VIP")}))

    [routed] = await router.published(TicketRouted)
    assert routed.priority == 4


async def test_a_department_that_takes_no_tickets_leaves_them_to_a_person(router: ServiceDriver) -> None:
    await router.deliver(unit("logistics", active=False), feedback(LATE_DELIVERY))

    [classified] = await router.published(FeedbackClassified)
    assert classified.outcome is Outcome.TRIAGE
    assert classified.reason == "department logistics takes no tickets"


async def test_an_older_word_on_a_unit_changes_nothing(router: ServiceDriver) -> None:
    await router.deliver(unit("logistics", active=True, revision=2))

    await router.deliver(unit("logistics", active=False, revision=1), feedback(LATE_DELIVERY))

    assert len(await router.published(TicketRouted)) == 1


async def test_a_unit_with_a_stream_gets_its_tickets_on_its_own_topic_without_contact_data(
    router: ServiceDriver,
) -> None:
    author = Author(id="u-1", name="王小明", phone="+8613800000000", email="wang@example.com")
    posted = feedback(LATE_DELIVERY).model_copy(update={"author": author})

    await router.deliver(unit("logistics", stream=True), unit("product"), posted, feedback(BROKEN))

    [row] = await router.outbox_rows(topic="ticket.routed.logistics")
    streamed = TicketRouted.model_validate_json(row.payload)
    assert streamed.author == Author(id="u-1", name="王小明")
    assert streamed.text == LATE_DELIVERY
    [whole] = [one for one in await router.published(TicketRouted) if one.ticket_id == streamed.ticket_id]
    assert whole.author == author
    assert await router.outbox_rows(topic="ticket.routed.product") == []


async def test_what_is_announced_carries_the_correlation_of_what_caused_it(router: ServiceDriver) -> None:
    await router.deliver(feedback(LATE_DELIVERY))

    [classified] = await router.outbox_rows(topic="feedback.classified")
    [routed] = await router.outbox_rows(topic="ticket.routed")
    assert "ce_causationid" in classified.headers
    assert _correlation(classified.headers) == _correlation(routed.headers)


def _correlation(headers: str) -> str:
    return headers.split("ce_correlationid", 1)[1][:48]


async def test_a_feedback_heard_twice_is_classified_once(router: ServiceDriver) -> None:
    posted = feedback(LATE_DELIVERY, author="u-1")

    await router.deliver(posted, posted)
    await router.deliver(posted)

    assert len(await router.published(FeedbackClassified)) == 1
    assert len(await router.published(TicketRouted)) == 1
    async with router.database.reading() as tx:
        assert (await tx.execute(select(func.count()).select_from(classification))).scalar_one() == 1


async def test_a_message_within_ten_minutes_follows_up_the_ticket(router: ServiceDriver) -> None:
    first = feedback(LATE_DELIVERY, author="u-1")
    second = feedback(PRAISE, author="u-1", at=NOON + timedelta(minutes=10))
    await router.deliver(first)

    await router.deliver(second)

    [attached] = await router.published(FeedbackAttached)
    assert attached.ticket_id == first.feedback_id
    assert attached.feedback_id == second.feedback_id
    assert attached.reason is AttachReason.FOLLOW_UP
    assert attached.similarity is None
    classified = (await router.published(FeedbackClassified))[-1]
    assert classified.outcome is Outcome.ATTACHED
    assert classified.case_id == classified.ticket_id == first.feedback_id
    assert classified.department == "logistics"
    assert len(await router.published(TicketRouted)) == 1


async def test_a_message_after_ten_minutes_is_a_case_of_its_own(router: ServiceDriver) -> None:
    await router.deliver(feedback(LATE_DELIVERY, author="u-1"))

    await router.deliver(feedback(BROKEN, author="u-1", at=NOON + timedelta(minutes=10, seconds=1)))

    assert await router.published(FeedbackAttached) == []
    assert len(await router.published(TicketRouted)) == 2


@pytest.mark.parametrize(
    "changes",
    [{"author": "u-2"}, {"channel": "weibo"}, {"account": "shop-2"}, {"kind": "review"}, {"author": None}],
)
async def test_only_messages_of_the_same_author_in_the_same_channel_follow_up(
    router: ServiceDriver, changes: dict[str, str]
) -> None:
    await router.deliver(feedback(LATE_DELIVERY, author="u-1"))

    await router.deliver(feedback(BROKEN, **{"author": "u-1", **changes}))

    assert await router.published(FeedbackAttached) == []


async def test_a_follow_up_in_the_same_batch_attaches_in_the_order_it_was_said(router: ServiceDriver) -> None:
    first = feedback(LATE_DELIVERY, author="u-1")
    second = feedback(BROKEN, author="u-1", at=NOON + timedelta(minutes=1))
    third = feedback(RUDE, author="u-1", at=NOON + timedelta(minutes=11))

    await router.deliver(third, second, first)

    assert await outcomes(router) == {
        first.feedback_id: Outcome.TICKET,
        second.feedback_id: Outcome.ATTACHED,
        third.feedback_id: Outcome.ATTACHED,
    }
    [routed] = await router.published(TicketRouted)
    assert routed.ticket_id == first.feedback_id


async def test_a_follow_up_of_something_thanked_is_a_case_of_its_own(router: ServiceDriver) -> None:
    await router.deliver(feedback(PRAISE, author="u-1"))

    await router.deliver(feedback(LATE_DELIVERY, author="u-1", at=NOON + timedelta(minutes=1)))

    assert list((await outcomes(router)).values()) == [Outcome.THANKED, Outcome.TICKET]


@pytest.mark.parametrize("kind", ["message", "review"])
async def test_the_same_text_sent_again_attaches_while_the_ticket_is_open(
    router: ServiceDriver, kind: str
) -> None:
    first = feedback(LATE_DELIVERY, author="u-1", kind=kind)
    again = feedback(LATE_DELIVERY + "！", author="u-1", kind=kind, at=NOON + timedelta(days=30))
    await router.deliver(first)

    await router.deliver(again)

    [attached] = await router.published(FeedbackAttached)
    assert attached.ticket_id == first.feedback_id
    assert attached.reason is AttachReason.RESENT
    assert attached.similarity is not None
    assert attached.similarity > 0.9


@pytest.mark.parametrize(("hours", "attached"), [(72, 1), (72.01, 0)])
async def test_the_same_text_attaches_to_a_closed_ticket_for_72_hours(
    router: ServiceDriver, hours: float, attached: int
) -> None:
    first = feedback(LATE_DELIVERY, author="u-1")
    await router.deliver(first, progressed(first, "archived", status="archived", version=5))

    await router.deliver(feedback(LATE_DELIVERY, author="u-1", at=NOON + timedelta(hours=hours)))

    assert len(await router.published(FeedbackAttached)) == attached


async def test_a_reopened_ticket_takes_the_same_text_again(router: ServiceDriver) -> None:
    first = feedback(LATE_DELIVERY, author="u-1")
    await router.deliver(
        first,
        progressed(first, "archived", status="archived", version=5),
        progressed(first, "reopened", status="reopened", version=6),
    )

    await router.deliver(feedback(LATE_DELIVERY, author="u-1", at=NOON + timedelta(days=9)))

    assert len(await router.published(FeedbackAttached)) == 1


async def test_an_author_with_very_many_feedbacks_is_compared_with_the_newest_only(
    router: ServiceDriver,
) -> None:
    many = [
        feedback(BROKEN + str(number) * 40, author="anyone", kind="review", at=NOON + timedelta(days=number))
        for number in range(1, 25)
    ]
    oldest = feedback(LATE_DELIVERY, author="anyone", kind="review")
    await router.deliver(oldest)
    for one in many:
        await router.deliver(one)

    await router.deliver(
        feedback(LATE_DELIVERY, author="anyone", kind="review", at=NOON + timedelta(days=40))
    )

    last = (await router.published(FeedbackClassified))[-1]
    assert last.ticket_id != oldest.feedback_id


async def test_a_large_batch_takes_as_many_statements_as_a_small_one(router: ServiceDriver) -> None:
    counts: list[int] = []
    statements: list[str] = []

    @event.listens_for(router.database.engine.sync_engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    for size in (2, 120):
        statements.clear()
        await router.deliver(*(feedback(LATE_DELIVERY, author=f"u-{size}-{n}") for n in range(size)))
        counts.append(len(statements))

    assert counts[0] == counts[1]


async def test_thanked_feedback_does_not_crowd_out_the_authors_ticket(router: ServiceDriver) -> None:
    first = feedback(LATE_DELIVERY, author="u-1", kind="review")
    thanks = [
        feedback(PRAISE, author="u-1", kind="review", at=NOON + timedelta(days=day)) for day in range(1, 25)
    ]
    await router.deliver(first, *thanks)

    await router.deliver(feedback(LATE_DELIVERY, author="u-1", kind="review", at=NOON + timedelta(days=30)))

    [attached] = await router.published(FeedbackAttached)
    assert attached.ticket_id == first.feedback_id


async def test_the_word_lists_are_read_beside_the_event_loop(
    router: ServiceDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = []

    def loads(text: str, parse: Any = tomllib.loads) -> dict[str, Any]:
        readers.append(current_thread())
        found: dict[str, Any] = parse(text)
        return found

    monkeypatch.setattr(tomllib, "loads", loads)
    shipped_lexicon.cache_clear()

    await router.deliver(feedback(BROKEN))

    assert readers
    assert main_thread() not in readers
