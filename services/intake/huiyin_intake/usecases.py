"""What the front door does: stores feedback once, with its event, in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
import uuid_utils
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_contracts.feedback import FeedbackReceived
from huiyin_eventbus.outbox import append
from huiyin_eventbus.rows import insert_into
from huiyin_intake import queries
from huiyin_intake.domain import NaturalKey, fingerprint
from huiyin_intake.models import feedback
from huiyin_intake.schemas import FeedbackIn

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Submission:
    """A valid post on its way into the store, already carrying the id it will have if it is new."""

    event: FeedbackReceived
    fingerprint: str
    posted_by: str

    @property
    def natural_key(self) -> NaturalKey:
        """Return what makes it the same thing when it is sent twice."""
        return NaturalKey(self.event.channel, self.event.account, self.event.external_id)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Under which id a post is stored, and whether it was there before."""

    feedback_id: str
    is_duplicate: bool


def submission_of(post: FeedbackIn, *, posted_by: str, now: datetime) -> Submission:
    """Return a post with its id, time of receipt and fingerprint; touches no store."""
    content = post.model_dump()
    content["account"] = post.account or ""
    event = FeedbackReceived(feedback_id=str(uuid_utils.uuid7()), received_at=now, **content)
    # Without its time: some channels stamp each delivery anew, and the same words are the same content.
    said = post.model_dump_json(exclude={"occurred_at"}).encode()
    return Submission(event=event, fingerprint=fingerprint(said), posted_by=posted_by)


async def receive_feedback(tx: AsyncConnection, submissions: Sequence[Submission]) -> list[Receipt]:
    """Store a group of posts and append their events; return one receipt each, in order. Never commits.

    A natural key that is there already, or twice in the group, is stored once: the first content stays, and other
    content under the same key is logged as a conflict (interface: same thing twice).
    """
    await tx.execute(
        insert_into(tx.dialect.name, feedback).on_conflict_do_nothing(
            index_elements=["channel", "account", "external_id"]
        ),
        [_row(submission) for submission in submissions],
    )
    stored = await queries.stored_under(tx, [submission.natural_key for submission in submissions])
    new = [
        each.event for each in submissions if stored[each.natural_key].feedback_id == each.event.feedback_id
    ]
    if new:
        await append(tx, *new)
    return [_receipt(submission, stored[submission.natural_key]) for submission in submissions]


def _row(submission: Submission) -> dict[str, object]:
    event = submission.event
    return {
        "id": event.feedback_id,
        "channel": event.channel,
        "account": event.account,
        "external_id": event.external_id,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "posted_by": submission.posted_by,
        "fingerprint": submission.fingerprint,
        "content": event.model_dump_json(),
    }


def _receipt(submission: Submission, stored: queries.Stored) -> Receipt:
    is_duplicate = stored.feedback_id != submission.event.feedback_id
    if is_duplicate and stored.fingerprint != submission.fingerprint:
        log.warning(
            "feedback_conflict",
            feedback_id=stored.feedback_id,
            channel=submission.event.channel,
            kept="first",
        )
    return Receipt(stored.feedback_id, is_duplicate=is_duplicate)
