"""Rules of the front door: when two posts are the same thing, and what a post must say to be one."""

import hashlib
from datetime import datetime, timedelta
from typing import Final, NamedTuple

MAX_FEEDBACK_BYTES: Final = 256 * 1024
MAX_BATCH_BYTES: Final = 8 * 1024 * 1024
MAX_AHEAD: Final = timedelta(days=1)
"""How far a channel's clock may run ahead of ours before its times are refused."""


class NaturalKey(NamedTuple):
    """What makes a feedback the same thing when it is sent twice: channel, our account there, the channel's own id."""

    channel: str
    account: str
    external_id: str


def fingerprint(content: bytes) -> str:
    """Return a digest of a post's content; the same natural key with another one is a conflict."""
    return hashlib.sha256(content).hexdigest()[:32]


def is_from_the_future(occurred_at: datetime, *, now: datetime) -> bool:
    """Tell whether a time of occurrence is too far ahead to be a clock that runs fast."""
    return occurred_at > now + MAX_AHEAD


def has_content(*, text: str, has_rating: bool, has_nps: bool, has_attachments: bool) -> bool:
    """Tell whether a post says anything at all: words, a rating, a recommendation score or a file."""
    return bool(text.strip()) or has_rating or has_nps or has_attachments
