"""The router over HTTP: what became of each feedback, the triage queue, and the routing rules."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response, status
from sqlalchemy import Row, select

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Reading, Writing
from huiyin_chassis.etag import IfMatch, etag, set_etag
from huiyin_chassis.idempotency import Repeat
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
from huiyin_router.models import classification, correction, routing_rule
from huiyin_router.schemas import (
    ClassificationView,
    CorrectionIn,
    CorrectionView,
    DecisionIn,
    DryRun,
    DryRunIn,
    OutcomeWord,
    RuleIn,
    RulePatch,
    RuleView,
    Standing,
    TriageItem,
)
from huiyin_router.usecases import dryrun, people, rules
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
RuleKeeper = Annotated[Principal, require("routing:manage")]


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


@router.get("/v1/classifications/{feedback_id}/corrections")
async def list_corrections(
    feedback_id: str, tx: Reading, request: PageRequest, principal: Reader
) -> Page[CorrectionView]:
    """List what was changed about a classification after its first outcome, oldest first."""
    if await queries.find_classification(tx, feedback_id, principal=principal) is None:
        raise FeedbackUnknown(feedback_id)
    keys = (correction.c.revision, correction.c.id)
    statement = queries.select_corrections(feedback_id)
    return await page(tx, statement, *keys, request=request, view=_correction_view)


@router.get("/v1/triage")
async def list_triage(tx: Reading, request: PageRequest, principal: Decider) -> Page[TriageItem]:
    """List what waits for a person, oldest first."""
    statement = queries.select_classifications(principal, outcome=Outcome.TRIAGE)
    keys = (classification.c.received_at, classification.c.feedback_id)
    return await page(tx, statement, *keys, request=request, view=_triage_item)


@router.post("/v1/classifications/{feedback_id}/correct")
async def correct_classification(  # noqa: PLR0917  # FastAPI calls by name
    feedback_id: str,
    body: CorrectionIn,
    tx: Writing,
    response: Response,
    if_match: IfMatch,
    principal: Decider,
) -> ClassificationView:
    """Correct labels, department or outcome; the ticket moves along."""
    row = await people.correct_classification(
        tx, feedback_id, body, principal=principal, if_match=if_match, now=utc_now()
    )
    set_etag(response, row.revision)
    return _view(row)


@router.post("/v1/triage/{feedback_id}/decide")
async def decide_triage(  # noqa: PLR0917  # FastAPI calls by name
    feedback_id: str,
    body: DecisionIn,
    tx: Writing,
    response: Response,
    if_match: IfMatch,
    principal: Decider,
) -> ClassificationView:
    """Give a feedback in triage to a department, or say that it is none."""
    row = await people.decide_triage(
        tx, feedback_id, body, principal=principal, if_match=if_match, now=utc_now()
    )
    set_etag(response, row.revision)
    return _view(row)


@router.get("/v1/routing-rules")
async def list_rules(tx: Reading, request: PageRequest, _principal: RuleKeeper) -> Page[RuleView]:
    """List the rules in their order."""
    keys = (routing_rule.c.position, routing_rule.c.id)
    return await page(tx, select(routing_rule), *keys, request=request, view=_rule_view)


@router.post("/v1/routing-rules", status_code=status.HTTP_201_CREATED, response_model=RuleView)
async def add_rule(post: RuleIn, _principal: RuleKeeper, repeat: Repeat) -> Response:
    """Make a rule."""
    row = await rules.add_rule(repeat.tx, post, now=utc_now())
    headers = {"ETag": etag(row.revision)}
    return await repeat.answer(status.HTTP_201_CREATED, _rule_view(row), headers=headers)


@router.post("/v1/routing-rules/dry-run")
async def try_rules(body: DryRunIn, tx: Reading, _principal: RuleKeeper) -> DryRun:
    """Tell what would end elsewhere under other rules; changes nothing."""
    return await dryrun.try_rules(tx, body)


@router.get("/v1/routing-rules/{rule_id}")
async def get_rule(rule_id: str, tx: Reading, response: Response, _principal: RuleKeeper) -> RuleView:
    """Return one rule."""
    row = await queries.find_rule(tx, rule_id)
    if row is None:
        raise RuleNotFound(rule_id)
    set_etag(response, row.revision)
    return _rule_view(row)


@router.patch("/v1/routing-rules/{rule_id}")
async def change_rule(  # FastAPI calls by name
    rule_id: str,
    patch: RulePatch,
    tx: Writing,
    response: Response,
    if_match: IfMatch,
    _principal: RuleKeeper,
) -> RuleView:
    """Change a rule, its place in the order, or whether it is in force."""
    row = await rules.change_rule(tx, rule_id, patch, if_match=if_match, now=utc_now())
    set_etag(response, row.revision)
    return _rule_view(row)


@router.delete("/v1/routing-rules/{rule_id}", status_code=status.HTTP_204_NO_CONTENT)
async def remove_rule(rule_id: str, tx: Writing, if_match: IfMatch, _principal: RuleKeeper) -> None:
    """Remove a rule; what it has decided stays."""
    await rules.remove_rule(tx, rule_id, if_match=if_match)


def _rule_view(row: Row[Any]) -> RuleView:
    return RuleView.model_validate(dict(row._mapping))


def _view(row: Row[Any]) -> ClassificationView:
    return ClassificationView.model_validate({**row._mapping, "labels": labels_of(queries.columns_of(row))})


def _correction_view(row: Row[Any]) -> CorrectionView:
    ends = {"before": _standing(row.before), "after": _standing(row.after)}
    return CorrectionView.model_validate({**row._mapping, **ends})


def _standing(columns: Mapping[str, Any]) -> Standing:
    return Standing.model_validate({**columns, "labels": labels_of(columns)})


def _triage_item(row: Row[Any]) -> TriageItem:
    content = json.loads(row.content)
    words = {
        "labels": labels_of(queries.columns_of(row)),
        "subject": content.get("subject"),
        "text": content["text"],
    }
    return TriageItem.model_validate({**row._mapping, **words})
