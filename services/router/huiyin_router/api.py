"""The router over HTTP: what became of each feedback, the triage queue, and the routing rules."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from sqlalchemy import Row

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.db import Reading
from huiyin_chassis.etag import set_etag
from huiyin_chassis.pages import Page, PageRequest, page
from huiyin_contracts.vocabulary import Outcome
from huiyin_router import queries
from huiyin_router.errors import (
    AlreadyDecided,
    DepartmentMissing,
    DepartmentUnknown,
    FeedbackUnknown,
    LabelsContradict,
    RuleExists,
    RuleNotFound,
    TicketStands,
)
from huiyin_router.models import classification
from huiyin_router.schemas import ClassificationView, OutcomeWord, TriageItem
from huiyin_router.usecases.announcements import labels_of

PROBLEMS: Final[Mapping[type[Exception], int]] = {
    FeedbackUnknown: 404,
    RuleNotFound: 404,
    AlreadyDecided: 409,
    TicketStands: 409,
    RuleExists: 409,
    DepartmentUnknown: 422,
    DepartmentMissing: 422,
    LabelsContradict: 422,
}

router: Final = APIRouter(tags=["router"])
Reader = Annotated[Principal, require("classifications:read")]
Decider = Annotated[Principal, require("triage:decide")]


@router.get("/v1/classifications")
async def list_classifications(
    tx: Reading,
    request: PageRequest,
    principal: Reader,
    outcome: Annotated[OutcomeWord | None, Query()] = None,
) -> Page[ClassificationView]:
    """List what became of feedback, newest first."""
    statement = queries.select_classifications(principal, outcome=outcome)
    keys = (classification.c.received_at.desc(), classification.c.feedback_id.desc())
    return await page(tx, statement, *keys, request=request, view=_view)


@router.get("/v1/classifications/{feedback_id}")
async def get_classification(
    feedback_id: str, tx: Reading, response: Response, principal: Reader
) -> ClassificationView:
    """Return what became of one feedback; 404 as long as the router has not heard of it."""
    row = await queries.find_classification(tx, feedback_id, principal=principal)
    if row is None:
        raise FeedbackUnknown(feedback_id)
    set_etag(response, row.revision)
    return _view(row)


@router.get("/v1/triage")
async def list_triage(tx: Reading, request: PageRequest, principal: Decider) -> Page[TriageItem]:
    """List what waits for a person, oldest first."""
    statement = queries.select_classifications(principal, outcome=Outcome.TRIAGE)
    keys = (classification.c.received_at, classification.c.feedback_id)
    return await page(tx, statement, *keys, request=request, view=_triage_item)


def _view(row: Row[Any]) -> ClassificationView:
    return ClassificationView.model_validate({**row._mapping, "labels": labels_of(row._asdict())})


def _triage_item(row: Row[Any]) -> TriageItem:
    content = json.loads(row.content)
    words = {"labels": labels_of(row._asdict()), "subject": content.get("subject"), "text": content["text"]}
    return TriageItem.model_validate({**row._mapping, **words})
