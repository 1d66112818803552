"""sla over HTTP: clocks, deadlines asked for in advance, and the terms they are judged by."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BeforeValidator
from sqlalchemy import Row

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.bodies import MIB, takes_json
from huiyin_chassis.clock import Moment, utc_now
from huiyin_chassis.db import Reading, Writing
from huiyin_chassis.etag import IfMatch, set_etag
from huiyin_chassis.pages import Page, PageRequest, page
from huiyin_chassis.problems import FieldError, Refusal
from huiyin_contracts.vocabulary import ClockState, Slug, Target
from huiyin_sla import queries
from huiyin_sla.domain.deadlines import deadline
from huiyin_sla.domain.policies import Policies, PolicyName
from huiyin_sla.errors import (
    CalendarMalformed,
    CalendarNotFound,
    ChangedMeanwhile,
    DeadlineOutOfRange,
    PolicyMalformed,
    SlaError,
    TimeNotAware,
)
from huiyin_sla.models import calendar as calendar_table
from huiyin_sla.models import clock
from huiyin_sla.schemas import (
    CalendarIn,
    CalendarItem,
    CalendarView,
    ClockView,
    DeadlineView,
    PoliciesIn,
    PoliciesView,
)
from huiyin_sla.usecases import terms

PROBLEMS: Final[Mapping[type[Exception], int]] = {
    CalendarNotFound: 404,
    ChangedMeanwhile: 409,
    DeadlineOutOfRange: 422,
    TimeNotAware: 422,
}
_SPACED_OFFSET: Final = re.compile(r" (\d\d:?\d\d)$")


def _with_plus(text: object) -> object:
    """Put back the plus of an offset, which a query string that was not encoded turns into a space."""
    return _SPACED_OFFSET.sub(r"+\1", text) if isinstance(text, str) and "T" in text else text


router: Final = APIRouter(tags=["sla"])
Reader = Annotated[Principal, require("sla:read")]
Keeper = Annotated[Principal, require("sla:manage")]
Start = Annotated[Moment, BeforeValidator(_with_plus), Query()]
# Not the enums of the contracts: those read an unknown word as `other`, and a typo would find nothing.
StateFilter = Literal["running", "paused", "met", "breached", "cancelled"]
TargetFilter = Literal["classification", "response", "next_response", "resolution", "review", "return_visit"]
CalendarName = Annotated[Slug, Path()]
# PostgreSQL takes no text with NUL.
TicketId = Annotated[str, Query(max_length=128, pattern=r"^[^\x00]*$")]


@router.get("/v1/clocks")
async def list_clocks(  # noqa: PLR0917  # FastAPI calls by name
    tx: Reading,
    request: PageRequest,
    principal: Reader,
    ticket_id: TicketId | None = None,
    state: Annotated[StateFilter | None, Query()] = None,
    target: Annotated[TargetFilter | None, Query()] = None,
    department: Annotated[Slug | None, Query()] = None,
) -> Page[ClockView]:
    """List clocks as they stand now, those of the newest cases first."""
    statement = queries.select_clocks(
        principal, now=utc_now(), ticket_id=ticket_id, state=state, target=target, department=department
    )
    keys = (clock.c.ticket_id.desc(), clock.c.target.desc(), clock.c.cycle.desc())
    return await page(tx, statement, *keys, request=request, view=_clock_view)


@router.get("/v1/deadlines")
async def get_deadline(
    tx: Reading,
    _principal: Reader,
    start: Start,
    policy: Annotated[PolicyName, Query()],
    target: Annotated[Literal["response", "resolution"], Query()] = "resolution",
    calendar: Annotated[Slug, Query()] = terms.DEFAULT_CALENDAR,
) -> DeadlineView:
    """Return when a case that starts now or then would be due by the terms in force, and why."""
    row = await terms.policies_in_force(tx)
    chosen = Policies.from_dict(row.document).named(policy)
    found = deadline(chosen, target, start=start, calendar=await terms.load_calendar(tx, calendar))
    return DeadlineView(
        policy=policy,
        target=Target(target),
        start=start,
        due_at=found.due_at,
        calendar=calendar,
        calendar_version=found.calendar_version,
        explanation=list(found.explanation),
        warnings=list(found.warnings),
    )


@router.get("/v1/policies")
async def get_policies(tx: Reading, response: Response, _principal: Reader) -> PoliciesView:
    """Return the policies in force for new cases."""
    row = await terms.policies_in_force(tx)
    set_etag(response, row.revision)
    return _policies_view(row)


@router.put("/v1/policies")
async def put_policies(
    body: PoliciesIn, tx: Writing, response: Response, if_match: IfMatch, principal: Keeper
) -> PoliciesView:
    """Put policies into force for new cases; cases that run keep theirs. What is left out gets the shipped value."""
    with _pointing_at_faults():
        row = await terms.save_policies(
            tx,
            body.model_dump(exclude_none=True),
            changed_by=principal.name,
            now=utc_now(),
            if_match=if_match,
        )
    set_etag(response, row.revision)
    return _policies_view(row)


@router.get("/v1/calendars")
async def list_calendars(tx: Reading, request: PageRequest, _principal: Reader) -> Page[CalendarItem]:
    """List the calendars in force with how much is known of this year and the next."""
    view = partial(_calendar_item, now=utc_now())
    return await page(tx, queries.select_calendars(), calendar_table.c.name, request=request, view=view)


@router.get("/v1/calendars/{name}")
async def get_calendar(
    name: CalendarName, tx: Reading, response: Response, _principal: Reader
) -> CalendarView:
    """Return a calendar in force for new cases."""
    row = await queries.active_calendar(tx, name)
    if row is None:
        raise CalendarNotFound(name)
    set_etag(response, row.revision)
    return _calendar_view(row, now=utc_now())


@router.put("/v1/calendars/{name}")
@takes_json(max_bytes=MIB)
async def put_calendar(  # noqa: PLR0917  # FastAPI calls by name
    name: CalendarName,
    body: CalendarIn,
    tx: Writing,
    response: Response,
    if_match: IfMatch,
    principal: Keeper,
) -> CalendarView:
    """Put a calendar into force for new cases, or make a new one; cases that run keep theirs."""
    now = utc_now()
    with _pointing_at_faults():
        row = await terms.save_calendar(
            tx,
            name,
            body.model_dump(exclude_none=True),
            changed_by=principal.name,
            now=now,
            if_match=if_match,
        )
    set_etag(response, row.revision)
    return _calendar_view(row, now=now)


@contextmanager
def _pointing_at_faults() -> Iterator[None]:
    """Turn a document's fault into a 422 Refusal that points at it."""
    try:
        yield
    except (PolicyMalformed, CalendarMalformed) as fault:
        raise _refusal(fault, where=fault.where, reason=fault.reason) from None


def _refusal(fault: SlaError, *, where: str, reason: str) -> Refusal:
    error = FieldError(pointer=f"#{where}", detail=reason)
    slug = "policy-malformed" if isinstance(fault, PolicyMalformed) else "calendar-malformed"
    return Refusal(
        422, "The document breaks the rules of this resource; see errors.", slug=slug, errors=[error]
    )


def _clock_view(row: Row[Any]) -> ClockView:
    breached_at = row.due_at if row.state_now == ClockState.BREACHED.value else None
    return ClockView.model_validate({**row._mapping, "state": row.state_now, "breached_at": breached_at})


def _policies_view(row: Row[Any]) -> PoliciesView:
    return PoliciesView.model_validate({**row.document, **row._mapping})


def _calendar_item(row: Row[Any], *, now: datetime) -> CalendarItem:
    return CalendarItem.model_validate({**row.document, **row._mapping, **_coverage(row, now=now)})


def _calendar_view(row: Row[Any], *, now: datetime) -> CalendarView:
    return CalendarView.model_validate({**row.document, **row._mapping, **_coverage(row, now=now)})


def _coverage(row: Row[Any], *, now: datetime) -> dict[str, object]:
    days = terms.calendar_of(row)
    today = days.local_date(now)
    next_new_year = today.replace(year=today.year + 1, month=1, day=1)
    return {
        "coverage": {year: days.coverage(year) for year in (today.year, today.year + 1)},
        "warnings": days.warnings_between(today, next_new_year),
    }
