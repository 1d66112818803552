"""Which case a feedback belongs to: a new one, or a ticket that its author has already."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from huiyin_contracts.feedback import Labels
from huiyin_contracts.vocabulary import AttachReason, Nature, Urgency
from huiyin_router.domain.resemblance import RESENT_SIMILARITY, resemblance, shingles

FOLLOW_UP_WITHIN: Final = timedelta(minutes=10)
FOLLOW_UP_KINDS: Final = frozenset({"message", "comment"})
RESENT_WITHIN: Final = timedelta(hours=72)
EARLIER_COMPARED: Final = 20
"""How many of an author's newest feedbacks are looked at: an author named "anonymous" must not cost without bound."""

_VIP_TIERS: Final = frozenset({"vip", "svip"})


@dataclass(frozen=True, kw_only=True)
class Said:
    """What an author said and when."""

    text: str
    kind: str
    occurred_at: datetime

    @cached_property
    def pieces(self) -> frozenset[str]:
        """Return the shingles of the text; most texts are never compared with another one."""
        return shingles(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier feedback of the same author, with the ticket it belongs to."""

    said: Said
    ticket_id: str
    department: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Home:
    """The earlier feedback whose ticket a feedback joins, and why; `similarity` only for the same text sent again."""

    earlier: Earlier
    reason: AttachReason
    similarity: float | None = None


def find_home(new: Said, earlier: Sequence[Earlier]) -> Home | None:
    """Return the ticket a feedback joins, None when it is a case of its own.

    The same text sent again goes before the follow-up, because it asks nothing new: the most similar one counts, while
    its ticket is open or within 72 hours of it. A message or comment follows up the nearest one within 10 minutes,
    before or after, because channels deliver in any order.
    """
    return _resent(new, earlier) or _followed_up(new, earlier)


def _resent(new: Said, earlier: Sequence[Earlier]) -> Home | None:
    alike = [
        (resemblance(new.pieces, each.said.pieces), each)
        for each in earlier
        if each.is_open or _apart(new, each) <= RESENT_WITHIN
    ]
    if not alike:
        return None
    similarity, best = max(alike, key=lambda pair: pair[0])
    if similarity < RESENT_SIMILARITY:
        return None
    return Home(best, AttachReason.RESENT, round(similarity, 3))


def _followed_up(new: Said, earlier: Sequence[Earlier]) -> Home | None:
    if new.kind not in FOLLOW_UP_KINDS or not earlier:
        return None
    nearest = min(earlier, key=lambda each: _apart(new, each))
    if _apart(new, nearest) > FOLLOW_UP_WITHIN:
        return None
    return Home(nearest, AttachReason.FOLLOW_UP)


def _apart(new: Said, earlier: Earlier) -> timedelta:
    return abs(new.occurred_at - earlier.said.occurred_at)


def priority_of(labels: Labels, *, tier: str | None, told: int | None) -> int:
    """Return a ticket's place in the queue, 0 (most pressing) to 9.

    Urgent 1, dispute 2, complex 3, complaint 5, anything else 6 (S21, S32); one better for a VIP. What a rule tells
    holds as it is.
    """
    if told is not None:
        return told
    if labels.urgency is Urgency.URGENT:
        place = 1
    elif labels.urgency is Urgency.COMPLAINT:
        place = 2
    elif labels.complex:
        place = 3
    else:
        place = 5 if labels.nature is Nature.COMPLAINT else 6
    return place - 1 if (tier or "").casefold() in _VIP_TIERS else place
