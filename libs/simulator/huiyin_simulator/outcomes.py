"""What becomes of accepted feedback: follows the router's classifications until every piece has its outcome.

Only the ids that still wait are held, so memory grows with the backlog and not with the stream.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from time import monotonic
from typing import Any, Final

from huiyin_simulator.client import PAGE_SIZE, SuiteClient
from huiyin_simulator.errors import RequestRefused

OUTCOMES: Final = ("ticket", "attached", "triage", "thanked", "not_feedback")
STALLED_AFTER: Final = timedelta(seconds=60)
_PATH: Final = "/v1/classifications"
_POLL_SECONDS: Final = 0.5
_ASKED_ONE_BY_ONE: Final = 20
_BARREN_PAGES: Final = 2
_NOT_FOUND: Final = 404


@dataclass(slots=True)
class Outcomes:
    """How many pieces of feedback came to which outcome, and the ids that still wait for theirs."""

    waiting: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    routed: Counter[str] = field(default_factory=Counter)
    issues: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def settled(self) -> int:
        """Return how many have their outcome."""
        return self.counts.total()

    def expect(self, feedback_ids: Iterable[str]) -> None:
        """Wait for the outcomes of these as well."""
        self.waiting.update(feedback_ids)

    def take(self, classification: dict[str, Any]) -> bool:
        """Count a classification and return True, unless nobody waits for it or it is pending."""
        outcome = classification["outcome"]
        if outcome not in OUTCOMES or classification["feedback_id"] not in self.waiting:
            return False
        self.waiting.remove(classification["feedback_id"])
        self.counts[outcome] += 1
        if outcome == "ticket":
            self.routed[classification["department"]] += 1
        if outcome in {"ticket", "triage"}:
            labels = classification["labels"]
            self.issues[labels["type"], labels["subtype"]] += 1
        return True


async def catch_up(client: SuiteClient, outcomes: Outcomes) -> int:
    """Take what was classified by now, and return how many that were.

    The list is newest first, so it is read only as far back as it tells something new. What that may leave behind
    (a partition that lags behind the others, an event that was tried again) is found by asking for some by their
    id; when many wait and such a sample has moved, the whole list is read once.
    """
    taken = await _take_newest(client, outcomes, barren_pages=_BARREN_PAGES)
    if taken or not outcomes.waiting:
        return taken
    asked = await _ask_one_by_one(client, outcomes)
    if asked and outcomes.waiting:
        asked += await _take_newest(client, outcomes, barren_pages=None)
    return asked


async def settle(
    client: SuiteClient,
    outcomes: Outcomes,
    *,
    on_progress: Callable[[], None] = lambda: None,
    backlog: int = 0,
    stalled_after: timedelta = STALLED_AFTER,
) -> bool:
    """Follow until no more than `backlog` wait; return False when nothing moved for too long."""
    moved_at = monotonic()
    while len(outcomes.waiting) > backlog:
        if await catch_up(client, outcomes):
            moved_at = monotonic()
            on_progress()
        elif monotonic() - moved_at > stalled_after.total_seconds():
            return False
        else:
            await asyncio.sleep(_POLL_SECONDS)
    return True


async def _take_newest(client: SuiteClient, outcomes: Outcomes, *, barren_pages: int | None) -> int:
    """Take from the list, newest first, until so many pages on end told nothing new; None reads all of it."""
    taken = seen = last_taken_at = 0
    async for item in client.items(_PATH):
        seen += 1
        if outcomes.take(item):
            taken += 1
            last_taken_at = seen
        if not outcomes.waiting:
            break
        if barren_pages is not None and seen - last_taken_at >= barren_pages * PAGE_SIZE:
            break
    return taken


async def _ask_one_by_one(client: SuiteClient, outcomes: Outcomes) -> int:
    taken = 0
    for feedback_id in list(islice(outcomes.waiting, _ASKED_ONE_BY_ONE)):
        try:
            taken += outcomes.take(await client.get(f"{_PATH}/{feedback_id}"))
        except RequestRefused as refused:
            # The router has not heard of it yet.
            if refused.status != _NOT_FOUND:
                raise
    return taken
