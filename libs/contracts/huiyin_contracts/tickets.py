"""Events of the ticket: dispatched to a department, and every step of the work on it."""

from typing import ClassVar

from pydantic import AwareDatetime

from huiyin_contracts.event import Event
from huiyin_contracts.feedback import Author, Labels, Rating
from huiyin_contracts.vocabulary import Identifier, RoutingReason, Slug, Step, TicketStatus


class TicketRouted(Event):
    """A ticket was given to a department, for the first time (`routing` 1) or anew.

    Carries what the desk needs of the feedback, its text included.
    """

    TYPE: ClassVar[str] = "ticket.routed"
    PUBLISHER: ClassVar[str] = "router"
    KEY: ClassVar[str] = "ticket_id"

    ticket_id: Identifier
    """The same id as the first feedback's."""
    feedback_id: Identifier
    department: Slug
    previous_department: Slug | None = None
    routing: int = 1
    """Counts the routings of this ticket from 1."""
    reason: RoutingReason
    rule: str | None = None
    labels: Labels
    priority: int
    """0 (most pressing) to 9."""
    channel: Slug
    kind: Slug
    text: str
    subject: str | None = None
    lang: str | None = None
    product: str | None = None
    item: str | None = None
    order_id: str | None = None
    store: str | None = None
    author: Author | None = None
    rating: Rating | None = None
    occurred_at: AwareDatetime
    received_at: AwareDatetime
    routed_at: AwareDatetime


class TicketProgressed(Event):
    """One step of the work on a ticket; all steps of a ticket travel in this one ordered topic."""

    TYPE: ClassVar[str] = "ticket.progressed"
    PUBLISHER: ClassVar[str] = "desk"
    KEY: ClassVar[str] = "ticket_id"

    ticket_id: Identifier
    step: Step
    status: TicketStatus
    """The status after the step."""
    department: Slug
    assignee: Identifier | None = None
    cycle: int = 1
    """Counts from 1, one more with each reopening."""
    version: int
    """The ticket's version after the step, as in its ETag."""
    actor: str
    """Name of the API key or rule that did it."""
    reason: str | None = None
    text: str | None = None
    """The answer's text, or the summary of the solution."""
    satisfied: bool | None = None
    into: Identifier | None = None
    """The ticket this one was merged into."""
    until: AwareDatetime | None = None
    progressed_at: AwareDatetime
