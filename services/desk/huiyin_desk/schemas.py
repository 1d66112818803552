"""HTTP bodies of the desk."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from huiyin_chassis.clock import Moment
from huiyin_contracts.feedback import Author, Rating
from huiyin_contracts.vocabulary import Identifier, TicketStatus

Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NothingIn(_Body):
    """The body of a verb that says nothing more: empty, `{}` or left out."""


class ReasonIn(_Body):
    """Why a ticket is returned or reopened."""

    reason: Reason


class AssignIn(_Body):
    """Who takes the ticket: a person's id."""

    assignee: Identifier


class AnswerIn(_Body):
    """What the customer is told."""

    text: Words


class PauseIn(_Body):
    """Why the ticket waits, and until when if that is known."""

    reason: Reason
    until: Moment | None = None


class ResolveIn(_Body):
    """What was done about it."""

    summary: Words


class ReviewIn(_Body):
    """Whether the customer is satisfied, as customer service found out (S42)."""

    satisfied: bool
    note: Reason | None = None


class MergeIn(_Body):
    """The ticket that takes this one in."""

    into: Identifier


class TicketItem(BaseModel):
    """A ticket in a queue."""

    id: Identifier
    feedback_ids: list[str] = []
    department: str
    status: TicketStatus
    nature: str
    type: str
    subtype: str
    urgency: str
    sentiment: str
    complex: bool
    priority: int
    channel: str
    kind: str
    store: str | None
    product: str | None
    assignee: str | None
    due_at: datetime | None
    cycle: int
    version: int
    text: str
    created_at: datetime
    updated_at: datetime


class TicketView(TicketItem):
    """A ticket with all the desk knows of it."""

    department_names: dict[str, str]
    """The department's name per language."""
    subject: str | None
    lang: str | None
    item: str | None
    order_id: str | None
    author: Author | None
    rating: Rating | None
    answer: str | None
    satisfied: bool | None
    paused_until: datetime | None
    merged_into: str | None
    occurred_at: datetime
    received_at: datetime
    allowed: list[str]
    """The verbs that fit its status."""


class TimelineEntry(BaseModel):
    """One thing that happened to a ticket."""

    at: datetime
    kind: str
    actor: str | None
    department: str | None
    reason: str | None
    text: str | None
    details: dict[str, Any]
