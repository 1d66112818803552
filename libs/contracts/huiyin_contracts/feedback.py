"""Events of the front door and of classification: what came in and what became of it."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import AwareDatetime, Field, JsonValue

from huiyin_contracts.event import Contract, Event
from huiyin_contracts.vocabulary import AttachReason, Identifier, Nature, Outcome, Sentiment, Slug, Urgency


class Author(Contract):
    """Who spoke up, as far as the channel says; `id` is unique within channel and account."""

    id: Identifier
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    tier: str | None = None


class Rating(Contract):
    """A rating in the channel's own scale, from 0 or 1 up to `max`."""

    value: float
    max: float

    @property
    def share(self) -> float:
        """Return the rating as a share of its scale, 0 to 1."""
        return min(max(self.value / self.max, 0.0), 1.0)


class Attachment(Contract):
    """A file that came with a feedback, by reference."""

    url: str
    name: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None


class Labels(Contract):
    """What a classification says of one feedback (S20 to S22, S26, S32)."""

    nature: Nature
    type: Slug
    subtype: Slug
    subtype2: Slug | None = None
    urgency: Urgency
    sentiment: Sentiment
    complex: bool = False
    """Complaint urgency, or a rule or person says major or cross-department (S32)."""


class FeedbackReceived(Event):
    """A feedback was accepted: it is stored for good."""

    TYPE: ClassVar[str] = "feedback.received"
    PUBLISHER: ClassVar[str] = "intake"
    KEY: ClassVar[str] = "feedback_id"

    feedback_id: Identifier
    channel: Slug
    kind: Slug
    account: str = ""
    external_id: str
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    text: str
    subject: str | None = None
    lang: str | None = None
    product: str | None = None
    item: str | None = None
    order_id: str | None = None
    store: str | None = None
    customer_source: str | None = None
    author: Author | None = None
    rating: Rating | None = None
    nps: int | None = None
    tags: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    extra: Mapping[str, JsonValue] = Field(default_factory=dict)


class FeedbackClassified(Event):
    """A feedback has its outcome, or a new one: sent again on every correction, `revision` counts up."""

    TYPE: ClassVar[str] = "feedback.classified"
    PUBLISHER: ClassVar[str] = "router"
    KEY: ClassVar[str] = "case_id"

    case_id: Identifier
    """The ticket's id for `ticket` and `attached`, else the feedback's own."""
    feedback_id: Identifier
    outcome: Outcome
    ticket_id: Identifier | None = None
    department: Slug | None = None
    labels: Labels
    confidence: Mapping[str, float] = Field(default_factory=dict)
    """Per head (nature, type, subtype, urgency, sentiment), 0 to 1."""
    model: str
    revision: int = 1
    decided_by: str
    """`model`, `rule:<name>` or the name of the key that decided."""
    reason: str | None = None
    channel: Slug
    store: str | None = None
    product: str | None = None
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    classified_at: AwareDatetime


class FeedbackAttached(Event):
    """A feedback joined a ticket that was there before: a follow-up or the same thing sent again."""

    TYPE: ClassVar[str] = "feedback.attached"
    PUBLISHER: ClassVar[str] = "router"
    KEY: ClassVar[str] = "ticket_id"

    ticket_id: Identifier
    feedback_id: Identifier
    reason: AttachReason
    similarity: float | None = None
    channel: Slug
    kind: Slug
    text: str
    author: Author | None = None
    occurred_at: AwareDatetime
    attached_at: AwareDatetime
