"""Which tickets kept their promises and which broke one, as the clocks of the suite tell it."""

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, Self

from huiyin_simulator.client import PAGE_SIZE, SuiteClient

PATIENCE: Final = timedelta(seconds=120)
TARGETS: Final = ("response", "resolution")
_NEWEST: Final = 100
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Tickets by what became of their deadlines; one that is still open within its time is in neither set."""

    on_time: frozenset[str]
    """Answered or solved within the promise, and no promise broken."""
    breached: frozenset[str]
    """At least one answer or solution missed its time, even when it came later."""

    def of(self, ticket_ids: AbstractSet[str]) -> Self:
        """Return the same of these tickets only."""
        return replace(self, on_time=self.on_time & ticket_ids, breached=self.breached & ticket_ids)


async def judge_deadlines(client: SuiteClient, *, since: datetime) -> Deadlines:
    """Return what became of the deadlines that were met or missed since a moment."""
    breached = {ticket_id async for ticket_id in _tickets(client, "breached", since=since)}
    met = {ticket_id async for ticket_id in _tickets(client, "met", since=since)}
    return Deadlines(on_time=frozenset(met - breached), breached=frozenset(breached))


async def until_clocks_run(client: SuiteClient, *, patience: timedelta = PATIENCE) -> bool:
    """Wait until the newest tickets have their clocks; return False when they have not in time.

    The newest are spread over all partitions, so that once these have their clocks the older ones have them too.
    """
    asked: dict[str, str | int] = {"outcome": "ticket", "limit": _NEWEST}
    newest = {item["ticket_id"] for item in (await client.get("/v1/classifications", **asked))["items"]}
    ends = monotonic() + patience.total_seconds()
    while monotonic() < ends:
        clocks = await client.get("/v1/clocks", target="resolution", limit=PAGE_SIZE)
        if newest <= {clock["ticket_id"] for clock in clocks["items"]}:
            return True
        await asyncio.sleep(_POLL_SECONDS)
    return False


async def count_breached(client: SuiteClient, *, since: datetime) -> int:
    """Return how many tickets have missed a deadline since a moment."""
    return len({ticket_id async for ticket_id in _tickets(client, "breached", since=since)})


async def _tickets(client: SuiteClient, state: str, *, since: datetime) -> AsyncIterator[str]:
    for target in TARGETS:
        async for clock in client.items("/v1/clocks", state=state, target=target):
            if datetime.fromisoformat(clock[f"{state}_at"] or clock["due_at"]) >= since:
                yield clock["ticket_id"]
