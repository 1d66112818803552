"""The router's events, made of a classification's columns and the feedback it is about."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from huiyin_contracts.feedback import FeedbackClassified, FeedbackReceived, Labels
from huiyin_contracts.tickets import TicketRouted
from huiyin_contracts.vocabulary import RoutingReason
from huiyin_eventbus.outbox import Outgoing
from huiyin_eventbus.subscriptions import Received
from huiyin_router.domain.cases import priority_of

LABELS: Final = tuple(Labels.model_fields)
_CLASSIFIED: Final = tuple(
    name for name in FeedbackClassified.model_fields if name not in {"case_id", "labels"}
)
_COPIED: Final = tuple(name for name in TicketRouted.model_fields if name in FeedbackReceived.model_fields)


def labels_of(row: Mapping[str, Any]) -> Labels:
    """Return the labels in a classification's columns."""
    return Labels(**{name: row[name] for name in LABELS})


def classified(row: Mapping[str, Any], *, labels: Labels | None = None) -> FeedbackClassified:
    """Return the event of a classification as it stands; `labels` are those of the row, for callers that have them."""
    return FeedbackClassified(
        case_id=row["ticket_id"] or row["feedback_id"],
        labels=labels or labels_of(row),
        **{name: row[name] for name in _CLASSIFIED},
    )


def routed(
    row: Mapping[str, Any],
    feedback: FeedbackReceived,
    *,
    now: datetime,
    reason: RoutingReason,
    routing: int = 1,
    previous_department: str | None = None,
    rule: str | None = None,
    told_priority: int | None = None,
    labels: Labels | None = None,
) -> TicketRouted:
    """Return the event that gives a classification's ticket to its department; `labels` as for `classified`."""
    labels = labels or labels_of(row)
    tier = feedback.author.tier if feedback.author else None
    return TicketRouted(
        ticket_id=row["ticket_id"],
        department=row["department"],
        previous_department=previous_department,
        routing=routing,
        reason=reason,
        rule=rule,
        labels=labels,
        priority=priority_of(labels, tier=tier, told=told_priority),
        routed_at=now,
        **{name: getattr(feedback, name) for name in _COPIED},
    )


def dispatches(
    event: TicketRouted, *, has_stream: bool, cause: Received[Any] | None = None
) -> list[Outgoing]:
    """Return a routing's outbox rows: one for the suite, and one for the unit's own topic if it asked for one.

    A unit's topic is read by systems outside the suite, so it carries nobody's phone number and e-mail address.
    """
    everyone = Outgoing(event, cause=cause)
    if not has_stream:
        return [everyone]
    author = event.author and event.author.model_copy(update={"phone": None, "email": None})
    minimised = event.model_copy(update={"author": author})
    return [everyone, Outgoing(minimised, cause=cause, topic=f"{TicketRouted.TYPE}.{event.department}")]
