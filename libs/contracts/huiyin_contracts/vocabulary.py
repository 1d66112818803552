"""The words events are written in: closed for writers, open for readers.

A value that a reader does not know yet becomes `other`, so that a newer publisher never breaks an older
consumer (reliability rule of schema evolution). Types and subtypes are slugs, not enums: each installation
may extend the tree (S20).
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""A lower-case ASCII name that is safe in topics, paths and files."""
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""An opaque id."""


class OpenEnum(StrEnum):
    """A StrEnum with a member OTHER that stands for every value this version does not know."""

    @classmethod
    def _missing_(cls, value: object) -> "OpenEnum | None":
        return cls._member_map_["OTHER"] if isinstance(value, str) else None  # type: ignore[return-value]  # typeshed says Enum

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the enum's schema, marked as open: a reader must take values it does not know."""
        schema = handler(core_schema)
        handler.resolve_ref_schema(schema)["x-open-enum"] = True
        return schema


class Nature(OpenEnum):
    """What the author is doing (S22)."""

    COMPLAINT = "complaint"
    SUGGESTION = "suggestion"
    PRAISE = "praise"
    INQUIRY = "inquiry"
    OTHER = "other"


class Urgency(OpenEnum):
    """Which clock and desk (S21); `complaint` is a dispute, not a mood."""

    NORMAL = "normal"
    URGENT = "urgent"
    COMPLAINT = "complaint"
    OTHER = "other"


class Sentiment(OpenEnum):
    """The mood of the whole text (S26)."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"
    OTHER = "other"


class Outcome(OpenEnum):
    """What became of a feedback: exactly one at any time, and no feedback stays without."""

    TICKET = "ticket"
    ATTACHED = "attached"
    TRIAGE = "triage"
    THANKED = "thanked"
    NOT_FEEDBACK = "not_feedback"
    OTHER = "other"


class Step(OpenEnum):
    """One step of the work on a ticket."""

    ACCEPTED = "accepted"
    RETURNED = "returned"
    ASSIGNED = "assigned"
    ANSWERED = "answered"
    CUSTOMER_REPLIED = "customer_replied"
    PAUSED = "paused"
    RESUMED = "resumed"
    RESOLVED = "resolved"
    REVIEWED = "reviewed"
    REOPENED = "reopened"
    ARCHIVED = "archived"
    MERGED = "merged"
    SPLIT = "split"
    OTHER = "other"


class TicketStatus(OpenEnum):
    """Where a ticket stands between dispatch (派单) and archive (归档)."""

    DISPATCHED = "dispatched"
    ACCEPTED = "accepted"
    ANSWERED = "answered"
    PAUSED = "paused"
    RETURNED = "returned"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    ARCHIVED = "archived"
    MERGED = "merged"
    OTHER = "other"


class Target(OpenEnum):
    """What a clock waits for."""

    CLASSIFICATION = "classification"
    RESPONSE = "response"
    NEXT_RESPONSE = "next_response"
    RESOLUTION = "resolution"
    REVIEW = "review"
    RETURN_VISIT = "return_visit"
    OTHER = "other"


class ClockState(OpenEnum):
    """State of a clock; `breached` ends it even when the work is done later."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    CANCELLED = "cancelled"
    OTHER = "other"


class UnitKind(OpenEnum):
    """Kind of an organisational unit."""

    DEPARTMENT = "department"
    TEAM = "team"
    STORE = "store"
    REGION = "region"
    OTHER = "other"


class AttachReason(OpenEnum):
    """Why a feedback joined an existing ticket."""

    FOLLOW_UP = "follow_up"
    RESENT = "resent"
    PERSON = "person"
    OTHER = "other"


class RoutingReason(OpenEnum):
    """Why a ticket was routed: for the first time or anew."""

    RULE = "rule"
    TRIAGE = "triage"
    RETURNED = "returned"
    CORRECTED = "corrected"
    OTHER = "other"
