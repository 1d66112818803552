"""What the front door does: stores feedback once, with its event, in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from operator import attrgetter
from typing import Final, NamedTuple

import structlog
import uuid_utils
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.idempotency import Claim, StoredAnswer, find_answers, remember
from huiyin_contracts.feedback import FeedbackReceived
from huiyin_eventbus.bulk import BulkInsert
from huiyin_eventbus.outbox import Outgoing, append
from huiyin_eventbus.tracing import current_traceparent
from huiyin_intake import queries
from huiyin_intake.domain import NaturalKey, fingerprint
from huiyin_intake.models import feedback
from huiyin_intake.schemas import Accepted, FeedbackIn

log = structlog.get_logger()

_BEFORE_TEXT: Final = b',"text":'


class Submission(NamedTuple):
    """A valid post on its way into the store, already carrying the id it will have if it is new."""

    event: FeedbackReceived
    natural_key: NaturalKey
    content: bytes
    """The event as JSON, encoded once."""
    fingerprint: str
    posted_by: str
    claim: Claim | None = None
    """The post's `Idempotency-Key`, when it has one."""
    traceparent: str | None = None
    """The trace of the request that brought it; its group commits in another one's."""


class Receipt(NamedTuple):
    """Under which id a post is stored, and whether it was there before.

    `answered` is the stored answer to an `Idempotency-Key` that was used before: nothing was stored for this post.
    """

    feedback_id: str
    is_duplicate: bool
    answered: StoredAnswer | None = None

    def answer(self) -> Accepted:
        """Return what the poster is told."""
        return Accepted(id=self.feedback_id, duplicate=self.is_duplicate)


_BLANK_EVENT: Final = FeedbackReceived(
    feedback_id="-",
    channel="none",
    kind="none",
    external_id="-",
    occurred_at=datetime.min.replace(tzinfo=UTC),
    received_at=datetime.min.replace(tzinfo=UTC),
    text="",
)


def submission_of(
    post: FeedbackIn, *, posted_by: str, now: datetime, claim: Claim | None = None
) -> Submission:
    """Return a post with its id, time of receipt and fingerprint; touches no store."""
    ours = {"feedback_id": str(uuid_utils.uuid7()), "received_at": now, "account": post.account or ""}
    # A post's fields are an event's under narrower rules, which have been checked: checking them again took 8 µs.
    event = _BLANK_EVENT.model_copy(update=vars(post) | ours)
    natural_key = NaturalKey(event.channel, event.account, event.external_id)
    content = event.__pydantic_serializer__.to_json(event)
    said = fingerprint(_said(event.kind, content))
    return Submission(event, natural_key, content, said, posted_by, claim, current_traceparent())


def _said(kind: str, content: bytes) -> bytes:
    """Return what the author said, out of an event's JSON: its kind, text and all that follows.

    Without the times: some channels stamp each delivery anew, and the same words are the same content.
    """
    # No value can hold what stands before the text: inside a JSON string these quotes would be escaped.
    return kind.encode() + content.partition(_BEFORE_TEXT)[2]


async def receive_feedback(tx: AsyncConnection, submissions: Sequence[Submission]) -> list[Receipt]:
    """Store a group of posts and append their events; return one receipt each, in order. Never commits.

    A natural key that is there already, or twice in the group, is stored once: the first content stays, and other
    content under the same key is logged as a conflict.
    """
    answered = await find_answers(tx, [each.claim for each in submissions if each.claim])
    fresh = [each for each in submissions if each.claim not in answered] if answered else submissions
    known = await _store(tx, fresh)
    receipts = [
        Receipt("", is_duplicate=True, answered=answered[each.claim])
        if each.claim in answered
        else _receipt(each, known)
        for each in submissions
    ]
    # A feedback's id is made with its event, and it is received once.
    await append(
        tx,
        *(
            Outgoing(each.event, data=each.content, is_only_one=True, traceparent=each.traceparent)
            for each, receipt in zip(submissions, receipts, strict=True)
            if not receipt.is_duplicate
        ),
    )
    await _remember(tx, submissions, receipts)
    return receipts


async def _store(tx: AsyncConnection, fresh: Sequence[Submission]) -> dict[str, queries.Stored]:
    """Put new posts in; return what was there before of the others, by the id that each would have had.

    Raises KeyError when a post is neither new nor known: nothing has stored it.
    """
    count = await _ADD.write(tx, [_row(each) for each in in_order_of_keys(fresh)])
    if count == len(fresh):
        return {}
    stored = await queries.stored_under(tx, [each.natural_key for each in fresh])
    kept = {each.event.feedback_id: stored[each.natural_key] for each in fresh}
    return {own_id: each for own_id, each in kept.items() if each.feedback_id != own_id}


def in_order_of_keys(submissions: Iterable[Submission]) -> list[Submission]:
    """Return posts in the order to store them in: two processes that store the same ones would else lock them crosswise."""
    return sorted(submissions, key=attrgetter("natural_key"))


_ADD: Final = BulkInsert(feedback, feedback.c.keys(), conflict=lambda put: put.on_conflict_do_nothing())


def _row(submission: Submission) -> tuple[object, ...]:
    """Return the columns of the table, in its order."""
    event = submission.event
    return (
        event.feedback_id,
        event.channel,
        event.account,
        event.external_id,
        event.occurred_at,
        event.received_at,
        submission.posted_by,
        submission.fingerprint,
        submission.content.decode(),
    )


async def _remember(
    tx: AsyncConnection, submissions: Sequence[Submission], receipts: Sequence[Receipt]
) -> None:
    if not any(each.claim for each in submissions):
        return
    answers = {
        each.claim: (HTTPStatus.ACCEPTED.value, receipt.answer().model_dump_json().encode())
        for each, receipt in zip(submissions, receipts, strict=True)
        if each.claim and receipt.answered is None
    }
    if answers:
        await remember(tx, answers, now=submissions[0].event.received_at)


def _receipt(submission: Submission, known: Mapping[str, queries.Stored]) -> Receipt:
    feedback_id = submission.event.feedback_id
    stored = known.get(feedback_id)
    if stored is None:
        return Receipt(feedback_id, is_duplicate=False)
    if stored.fingerprint != submission.fingerprint:
        log.warning(
            "feedback_conflict",
            feedback_id=stored.feedback_id,
            channel=submission.event.channel,
            kept="first",
        )
    return Receipt(stored.feedback_id, is_duplicate=True)
