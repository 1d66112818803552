"""`/v1/dead-letters`: the dead letters of all services in this process, for operators over HTTP."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Database
from huiyin_chassis.deadletters import DeadLetters
from huiyin_chassis.errors import DeadLetterUnknown
from huiyin_chassis.pages import Page, PageRequest
from huiyin_eventbus.dead_letters import Filter
from huiyin_eventbus.errors import DeadLetterNotOpen

router = APIRouter(prefix="/v1/dead-letters", tags=["operations"])

PROBLEMS: dict[type[Exception], int] = {DeadLetterUnknown: 404, DeadLetterNotOpen: 409}

Operator = Annotated[Principal, require("operations")]
Row = dict[str, Any]


def install_dead_letters(app: FastAPI, databases: Mapping[str, Database]) -> None:
    """Let an app answer for the dead letters in the databases of some services, by the services' names."""
    app.state.dead_letters = DeadLetters(databases)
    app.include_router(router)


class Discard(BaseModel):
    """Why a dead letter is given up."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500)]


def _letters(request: Request) -> DeadLetters:
    return cast("DeadLetters", request.app.state.dead_letters)


Letters = Annotated[DeadLetters, Depends(_letters)]


@router.get("")
async def list_dead_letters(
    letters: Letters,
    request: PageRequest,
    _operator: Operator,
    *,
    topic: Annotated[str | None, Query(max_length=249)] = None,
    state: Literal["open", "redriven", "discarded"] | None = None,
) -> Page[Row]:
    """List dead letters, service by service, oldest first."""
    rows = await letters.listed(
        Filter(topic=topic, state=state), after=request.cursor, limit=request.limit + 1
    )
    shown = rows[: request.limit]
    return Page(items=shown, next=shown[-1]["id"] if len(rows) > len(shown) else None)


@router.get("/{letter_id}")
async def show_dead_letter(letter_id: str, letters: Letters, _operator: Operator) -> Row:
    """Show one dead letter; strings that could be a customer's words are masked."""
    return await letters.shown(letter_id)


@router.post("/{letter_id}/redrive")
async def redrive_dead_letter(letter_id: str, letters: Letters, operator: Operator) -> Row:
    """Have a dead letter tried again by the service that failed on it."""
    return await letters.redrive(letter_id, actor=operator.id, now=utc_now())


@router.post("/{letter_id}/discard")
async def discard_dead_letter(letter_id: str, body: Discard, letters: Letters, operator: Operator) -> Row:
    """Give a dead letter up, for a reason."""
    return await letters.discard(letter_id, reason=body.reason, actor=operator.id, now=utc_now())
