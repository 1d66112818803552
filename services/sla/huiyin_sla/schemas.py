"""HTTP bodies of sla."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from huiyin_contracts.vocabulary import ClockState, Target

SpanText = Annotated[str, StringConstraints(min_length=1, max_length=40)]
"""A length round the clock, `PT24H`, or a count, `5 working days`."""
DayText = Annotated[str, StringConstraints(min_length=10, max_length=10)]
HoursText = Annotated[str, StringConstraints(max_length=11)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SpansIn(_Body):
    """How soon a first answer and a solution are promised; what is left out has the shipped value."""

    response: SpanText | None = None
    resolution: SpanText | None = None


class PoliciesIn(_Body):
    """The promises to every kind of case; what is left out has the shipped value."""

    classification: SpanText | None = None
    ordinary: SpansIn | None = None
    complex: SpansIn | None = None
    urgent: SpansIn | None = None


class CalendarIn(_Body):
    """A week of opening hours and the days that differ."""

    name: str | None = None
    zone: Annotated[str, StringConstraints(max_length=64)]
    week: dict[str, list[HoursText]]
    makeup_hours: list[HoursText] | None = None
    off: dict[DayText, str] | None = None
    work: dict[DayText, str] | None = None
    official_years: Annotated[list[int], Field(max_length=1000)] | None = None
    statutory_years: Annotated[list[int], Field(max_length=1000)] | None = None


class ClockView(BaseModel):
    """A clock as it stands now: a running one whose deadline has passed is breached, swept or not."""

    ticket_id: str
    target: Target
    cycle: int
    state: ClockState
    policy: str
    department: str | None
    started_at: datetime
    due_at: datetime
    met_at: datetime | None
    breached_at: datetime | None
    paused_at: datetime | None
    ended_at: datetime | None
    calendar: str
    calendar_version: str


class DeadlineView(BaseModel):
    """When a promise falls due, and the days that were counted to get there."""

    policy: str
    target: Target
    start: datetime
    due_at: datetime
    calendar: str
    calendar_version: str
    explanation: list[str]
    warnings: list[str]


class SpansView(BaseModel):
    """Promises to one kind of case."""

    response: str
    resolution: str


class PoliciesView(BaseModel):
    """The policies in force for new cases."""

    classification: str
    ordinary: SpansView
    complex: SpansView
    urgent: SpansView
    revision: int
    version: str
    changed_by: str
    changed_at: datetime


class CalendarItem(BaseModel):
    """A calendar in a list; `coverage` tells how much is known of this year and the next."""

    name: str
    zone: str
    revision: int
    version: str
    coverage: dict[int, str]
    warnings: list[str]
    changed_by: str
    changed_at: datetime


class CalendarView(CalendarItem):
    """A calendar in force for new cases, with all its days."""

    week: dict[str, list[str]]
    makeup_hours: list[str]
    off: dict[str, str]
    work: dict[str, str]
    official_years: list[int]
    statutory_years: list[int]
