"""The desk over HTTP: queues, tickets, their timeline, and the verbs of the work on them."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Reading, Writing
from huiyin_chassis.etag import IfMatch, Precondition, set_etag
from huiyin_chassis.pages import Page, PageRequest, page
from huiyin_contracts.vocabulary import TicketStatus
from huiyin_desk import queries
from huiyin_desk.domain import ALLOWED, NEVER, Action, Verb
from huiyin_desk.errors import AssigneeUnknown, MergeRefused, TicketNotFound, TransitionNotAllowed
from huiyin_desk.models import ticket, timeline
from huiyin_desk.schemas import (
    AnswerIn,
    AssignIn,
    MergeIn,
    NothingIn,
    PauseIn,
    ReasonIn,
    ResolveIn,
    ReviewIn,
    TicketItem,
    TicketView,
    TimelineEntry,
)
from huiyin_desk.usecases.work import work_on_ticket

PROBLEMS: Final[Mapping[type[Exception], int]] = {
    TicketNotFound: 404,
    TransitionNotAllowed: 409,
    AssigneeUnknown: 422,
    MergeRefused: 422,
}

router: Final = APIRouter(tags=["desk"])
Status = Literal[
    "dispatched",
    "accepted",
    "answered",
    "paused",
    "returned",
    "resolved",
    "reopened",
    "archived",
    "merged",
]
"""The statuses a caller may ask for: closed, so that a typo is refused and does not find nothing."""
Reader = Annotated[Principal, require("tickets:read")]


class Desk:
    """One request to do a verb: transaction, caller and precondition together."""

    def __init__(
        self, tx: AsyncConnection, principal: Principal, if_match: Precondition, response: Response
    ) -> None:
        self._tx = tx
        self._principal = principal
        self._if_match = if_match
        self._response = response

    async def do(self, ticket_id: str, action: Action) -> TicketView:
        """Do the verb and return the ticket with its ETag."""
        row = await work_on_ticket(
            self._tx,
            ticket_id,
            action,
            principal=self._principal,
            if_match=self._if_match,
            now=utc_now(),
        )
        set_etag(self._response, row.version)
        return await _view(self._tx, row)


async def _working(
    tx: Writing,
    principal: Annotated[Principal, require("tickets:work")],
    if_match: IfMatch,
    response: Response,
) -> Desk:
    return Desk(tx, principal, if_match, response)


async def _reviewing(
    tx: Writing,
    principal: Annotated[Principal, require("tickets:review")],
    if_match: IfMatch,
    response: Response,
) -> Desk:
    return Desk(tx, principal, if_match, response)


Working = Annotated[Desk, Depends(_working)]
Reviewing = Annotated[Desk, Depends(_reviewing)]


@router.get("/v1/tickets")
async def list_tickets(  # noqa: PLR0917  # FastAPI calls by name
    tx: Reading,
    request: PageRequest,
    principal: Reader,
    department: Annotated[str | None, Query(max_length=64)] = None,
    status: Annotated[Status | None, Query()] = None,
    assignee: Annotated[str | None, Query(max_length=128)] = None,
    store: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[TicketItem]:
    """List tickets as a queue: most pressing first, then what is due next."""
    statement = queries.select_tickets(
        principal, department=department, status=status, assignee=assignee, store=store
    )
    keys = (ticket.c.priority, ticket.c.due_at, ticket.c.id)
    found = await page(tx, statement, *keys, request=request, view=_item)
    feedback_ids = await queries.feedback_ids(tx, [item.id for item in found.items])
    items = [item.model_copy(update={"feedback_ids": feedback_ids[item.id]}) for item in found.items]
    return Page(items=items, next=found.next)


@router.get("/v1/tickets/{ticket_id}")
async def get_ticket(ticket_id: str, tx: Reading, response: Response, principal: Reader) -> TicketView:
    """Return one ticket."""
    row = await queries.find_ticket(tx, ticket_id, principal=principal)
    if row is None:
        raise TicketNotFound(ticket_id)
    set_etag(response, row.version)
    return await _view(tx, row)


@router.get("/v1/tickets/{ticket_id}/timeline")
async def get_timeline(
    ticket_id: str, tx: Reading, request: PageRequest, principal: Reader
) -> Page[TimelineEntry]:
    """Return what happened to a ticket, oldest first."""
    if await queries.find_ticket(tx, ticket_id, principal=principal) is None:
        raise TicketNotFound(ticket_id)
    keys = (timeline.c.at, timeline.c.id)
    return await page(tx, queries.select_timeline(ticket_id), *keys, request=request, view=_timeline_entry)


@router.post("/v1/tickets/{ticket_id}/accept")
async def accept_ticket(ticket_id: str, desk: Working, _body: NothingIn | None = None) -> TicketView:
    """Take the ticket into work."""
    return await desk.do(ticket_id, Action(Verb.ACCEPT))


@router.post("/v1/tickets/{ticket_id}/return")
async def return_ticket(ticket_id: str, body: ReasonIn, desk: Working) -> TicketView:
    """Give the ticket back to be routed anew."""
    return await desk.do(ticket_id, Action(Verb.RETURN, reason=body.reason))


@router.post("/v1/tickets/{ticket_id}/assign")
async def assign_ticket(ticket_id: str, body: AssignIn, desk: Working) -> TicketView:
    """Name the person who follows the ticket (S29)."""
    return await desk.do(ticket_id, Action(Verb.ASSIGN, assignee=body.assignee))


@router.post("/v1/tickets/{ticket_id}/answer")
async def answer_ticket(ticket_id: str, body: AnswerIn, desk: Working) -> TicketView:
    """Answer the customer; stops the response clock."""
    return await desk.do(ticket_id, Action(Verb.ANSWER, text=body.text))


@router.post("/v1/tickets/{ticket_id}/pause")
async def pause_ticket(ticket_id: str, body: PauseIn, desk: Working) -> TicketView:
    """Wait for the customer or a third party; the resolution clock waits too."""
    return await desk.do(ticket_id, Action(Verb.PAUSE, reason=body.reason, until=body.until))


@router.post("/v1/tickets/{ticket_id}/resume")
async def resume_ticket(ticket_id: str, desk: Working, _body: NothingIn | None = None) -> TicketView:
    """Go on with a paused ticket."""
    return await desk.do(ticket_id, Action(Verb.RESUME))


@router.post("/v1/tickets/{ticket_id}/resolve")
async def resolve_ticket(ticket_id: str, body: ResolveIn, desk: Working) -> TicketView:
    """Say what was done; customer service reviews it."""
    return await desk.do(ticket_id, Action(Verb.RESOLVE, text=body.summary))


@router.post("/v1/tickets/{ticket_id}/review")
async def review_ticket(ticket_id: str, body: ReviewIn, desk: Reviewing) -> TicketView:
    """Say whether the customer is satisfied: yes archives, no reopens (S42)."""
    return await desk.do(ticket_id, Action(Verb.REVIEW, satisfied=body.satisfied, reason=body.note))


@router.post("/v1/tickets/{ticket_id}/reopen")
async def reopen_ticket(ticket_id: str, body: ReasonIn, desk: Reviewing) -> TicketView:
    """Open a resolved or archived ticket again; its clocks start a new cycle."""
    return await desk.do(ticket_id, Action(Verb.REOPEN, reason=body.reason))


@router.post("/v1/tickets/{ticket_id}/archive")
async def archive_ticket(ticket_id: str, desk: Reviewing, _body: NothingIn | None = None) -> TicketView:
    """Archive a ticket: a satisfied review has done it already, and nothing else does."""
    return await desk.do(ticket_id, Action(Verb.ARCHIVE))


@router.post("/v1/tickets/{ticket_id}/merge")
async def merge_ticket(ticket_id: str, body: MergeIn, desk: Working) -> TicketView:
    """Give this ticket's feedback to another one, which goes on for both."""
    return await desk.do(ticket_id, Action(Verb.MERGE, into=body.into))


def _item(row: Row[Any]) -> TicketItem:
    return TicketItem.model_validate({**row._mapping, "due_at": _due(row)})


async def _view(tx: AsyncConnection, row: Row[Any]) -> TicketView:
    feedback_ids = await queries.feedback_ids(tx, [row.id])
    allowed = sorted(ALLOWED.get(TicketStatus(row.status), ()))
    more = {
        "due_at": _due(row),
        "feedback_ids": feedback_ids[row.id],
        "department_names": await queries.department_names(tx, row.department),
        "allowed": allowed,
    }
    return TicketView.model_validate({**row._mapping, **more})


def _due(row: Row[Any]) -> Any:
    return None if row.due_at == NEVER else row.due_at


def _timeline_entry(row: Row[Any]) -> TimelineEntry:
    return TimelineEntry.model_validate(dict(row._mapping))
