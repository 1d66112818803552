"""The front door over HTTP: one post, many posts, and what was accepted.

A post is answered 202 only after its commit. Posts go through one group writer: what arrives during a commit shares
the next one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Query, Response, status
from pydantic import JsonValue, ValidationError
from sqlalchemy import Row

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.bodies import takes_json
from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Reading
from huiyin_chassis.errors import Overloaded
from huiyin_chassis.express import express
from huiyin_chassis.idempotency import Claim, ReadClaim, running
from huiyin_chassis.pages import Page, PageRequest, page
from huiyin_chassis.problems import FieldError, Refusal, field_errors
from huiyin_chassis.runtime import Running, Runtime
from huiyin_chassis.writer import GroupWriter
from huiyin_eventbus.failures import is_infrastructure
from huiyin_intake import queries
from huiyin_intake.at_once import receive_new_feedback
from huiyin_intake.domain import MAX_BATCH_BYTES, MAX_FEEDBACK_BYTES, is_from_the_future
from huiyin_intake.errors import FeedbackNotFound
from huiyin_intake.models import feedback
from huiyin_intake.schemas import (
    Accepted,
    BatchAccepted,
    BatchIn,
    BatchItem,
    FeedbackIn,
    FeedbackView,
    ItemProblem,
)
from huiyin_intake.usecases import Receipt, Submission, receive_feedback, submission_of

log = structlog.get_logger()

PROBLEMS: Final[Mapping[type[Exception], int]] = {FeedbackNotFound: 404}

router: Final = APIRouter(tags=["intake"])

FeedbackWriter = Annotated[Principal, require("feedback:write")]
FeedbackReader = Annotated[Principal, require("feedback:read")]


@router.post("/v1/feedback", status_code=status.HTTP_202_ACCEPTED, response_model=Accepted)
@express
async def post_feedback(
    post: FeedbackIn, runtime: Running, principal: FeedbackWriter, claim: ReadClaim
) -> Accepted | Response:
    """Take one feedback in; sending the same again answers with the first one's id and `duplicate`."""
    runtime.admission.check()
    submission = _submission(post, principal, now=utc_now(), claim=claim)
    with running(claim, within=runtime):
        receipt = await _writer(runtime).submit(submission)
    if receipt.answered is not None and claim is not None:
        return receipt.answered.replay(claim)
    return receipt.answer()


@router.post(
    "/v1/feedback/batch",
    status_code=status.HTTP_202_ACCEPTED,
    response_model=BatchAccepted,
    response_model_exclude_none=True,
)
@takes_json(max_bytes=MAX_BATCH_BYTES)
@express
async def post_feedback_batch(batch: BatchIn, runtime: Running, principal: FeedbackWriter) -> BatchAccepted:
    """Take up to 1,000 feedbacks in; each is judged alone, and the answer tells what became of each.

    Who is told of an `id` can rely on it: that item is stored. An item with an `error` is not; its `status` says
    whether to mend it (413, 422) or to send it again (503). When nothing at all was stored because the service is busy
    or its database out of reach, the whole batch is a 503.

    A batch may be repeated as it is: the natural keys see to it, so it takes no `Idempotency-Key`.
    """
    runtime.admission.check()
    now = utc_now()
    items = [_judge(index, raw, principal=principal, now=now) for index, raw in enumerate(batch.items)]
    submissions = {index: item for index, item in enumerate(items) if isinstance(item, Submission)}
    outcomes = await _writer(runtime).submit_all(list(submissions.values()))
    _refuse_when_nothing_could_be_stored(outcomes)
    told = dict(zip(submissions, outcomes, strict=True))
    return BatchAccepted(
        items=[
            item if isinstance(item, BatchItem) else _told_item(index, told[index])
            for index, item in enumerate(items)
        ]
    )


@router.get("/v1/feedback/{feedback_id}")
async def get_feedback(feedback_id: str, tx: Reading, principal: FeedbackReader) -> FeedbackView:
    """Return one accepted feedback."""
    row = await queries.find_feedback(tx, feedback_id, posted_by=_own(principal))
    if row is None:
        raise FeedbackNotFound(feedback_id)
    return _view(row)


@router.get("/v1/feedback")
async def list_feedback(  # noqa: PLR0917  # FastAPI calls by name
    tx: Reading,
    request: PageRequest,
    principal: FeedbackReader,
    channel: Annotated[str | None, Query(max_length=64)] = None,
    account: Annotated[str | None, Query(max_length=200)] = None,
    external_id: Annotated[str | None, Query(max_length=256)] = None,
) -> Page[FeedbackView]:
    """List accepted feedback, newest first; the three filters together are the natural key."""
    asked = {"channel": channel, "account": account, "external_id": external_id}
    statement = queries.visible(_own(principal)).where(
        *(feedback.c[name] == value for name, value in asked.items() if value is not None)
    )
    return await page(tx, statement, feedback.c.id.desc(), request=request, view=_view)


def _writer(runtime: Runtime) -> GroupWriter[Submission, Receipt]:
    return runtime.group_writer(receive_feedback, at_once=receive_new_feedback)


def _own(principal: Principal) -> str | None:
    """Return whose posts a caller may read: everybody's, or only its own when it is bound to departments."""
    return None if principal.departments is None else principal.id


def _view(row: Row[Any]) -> FeedbackView:
    return FeedbackView.model_validate_json(row.content)


def _judge(index: int, raw: JsonValue, *, principal: Principal, now: datetime) -> Submission | BatchItem:
    try:
        return _submission(FeedbackIn.model_validate(raw), principal, now=now)
    except ValidationError as error:
        located = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        detail = "The item breaks the rules of a feedback."
        return _refused_item(index, status=422, detail=detail, errors=field_errors(located))
    except Refusal as refusal:
        return _refused_item(
            index, status=refusal.status_code, detail=str(refusal.detail), errors=refusal.errors
        )


def _submission(
    post: FeedbackIn, principal: Principal, *, now: datetime, claim: Claim | None = None
) -> Submission:
    if is_from_the_future(post.occurred_at, now=now):
        ahead = FieldError(pointer="#/occurred_at", detail="Lies more than a day in the future.")
        raise Refusal(422, "The feedback's time cannot be right.", errors=[ahead])
    submission = submission_of(post, posted_by=principal.id, now=now, claim=claim)
    if len(submission.content) > MAX_FEEDBACK_BYTES:
        raise Refusal(413, "A feedback may have 256 KiB.")
    return submission


def _refuse_when_nothing_could_be_stored(outcomes: Sequence[Receipt | BaseException]) -> None:
    """Raise why, when something may be tried again later and nothing at all was stored.

    Any other batch is answered item by item: whoever sends a 503 again must be right that nothing of it was stored.
    """
    if any(isinstance(outcome, Receipt) for outcome in outcomes):
        return
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and _is_for_later(outcome):
            raise outcome


def _is_for_later(failure: BaseException) -> bool:
    """Tell whether a failure says nothing about the item, which may be sent again unchanged."""
    return isinstance(failure, Overloaded) or is_infrastructure(failure)


def _told_item(index: int, outcome: Receipt | BaseException) -> BatchItem:
    if isinstance(outcome, Receipt):
        return BatchItem(
            index=index, id=outcome.feedback_id, status="received", duplicate=outcome.is_duplicate
        )
    if _is_for_later(outcome):
        return _refused_item(index, status=503, detail="The item could not be stored now; send it again.")
    log.error("feedback_not_stored", index=index, exc_info=outcome)
    return _refused_item(index, status=500, detail="Something about the item cannot be stored.")


def _refused_item(index: int, *, status: int, detail: str, errors: Sequence[FieldError] = ()) -> BatchItem:
    problem = {"status": status, "detail": detail, "errors": errors}
    return BatchItem(index=index, error=ItemProblem.model_validate(problem))
