"""One statement stores what is new of a group with its events, and leaves alone what is not; on PostgreSQL."""

import pytest
from sqlalchemy import select

from huiyin_chassis.clock import utc_now
from huiyin_chassis.idempotency import Claim
from huiyin_contracts.feedback import FeedbackReceived
from huiyin_intake.app import SERVICE
from huiyin_intake.at_once import receive_new_feedback
from huiyin_intake.models import feedback
from huiyin_intake.schemas import FeedbackIn
from huiyin_intake.usecases import Submission, submission_of
from tests.support.service import running_service


def submission(external_id: str, *, claim: Claim | None = None) -> Submission:
    post = FeedbackIn(
        channel="wechat",
        kind="message",
        external_id=external_id,
        occurred_at=utc_now(),
        text=f"外卖晚了一个多小时 {external_id}",
    )
    return submission_of(post, posted_by="key-1", now=utc_now(), claim=claim)


@pytest.mark.postgresql
async def test_new_posts_are_stored_with_their_events_and_the_rest_is_left_alone(postgresql_url: str) -> None:
    claim = Claim("key-1", "try-1", "digest")
    first, second, third = (submission(f"m-{number}") for number in (1, 2, 3))
    repeat, twin, claimed = submission("m-1"), submission("m-3"), submission("m-4", claim=claim)

    async with running_service(SERVICE, postgresql_url) as intake:
        async with intake.database.at_once() as commit:
            all_new = await receive_new_feedback(commit, [second, first])
            mixed = await receive_new_feedback(commit, [repeat, third, twin, claimed])
            nothing = await receive_new_feedback(commit, [claimed])
        told = await intake.published(FeedbackReceived)
        async with intake.database.reading() as tx:
            rows = (await tx.execute(select(feedback).order_by(feedback.c.external_id))).all()

    assert [receipt and receipt.feedback_id for receipt in all_new] == [
        second.event.feedback_id,
        first.event.feedback_id,
    ]
    stored = {receipt.feedback_id for receipt in mixed if receipt is not None}
    assert [receipt is None for receipt in (mixed[0], mixed[3])] == [True, True]
    assert len(stored) == 1
    assert stored <= {third.event.feedback_id, twin.event.feedback_id}
    assert nothing == [None]
    kept = [first.event.feedback_id, second.event.feedback_id, *stored]
    assert [row.id for row in rows] == kept
    assert sorted(event.feedback_id for event in told) == sorted(kept)
    assert rows[0].content.encode() == first.content
    assert (rows[0].posted_by, rows[0].fingerprint) == ("key-1", first.fingerprint)
