"""Seeds a suite with the rows of a file, and waits for their outcomes when asked to."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from huiyin_simulator.board import Posted
from huiyin_simulator.client import SuiteClient
from huiyin_simulator.deadlines import judge_deadlines, until_clocks_run
from huiyin_simulator.errors import BadRow
from huiyin_simulator.figures import Figures, count_dead_letters, posted_figures, settled_figures
from huiyin_simulator.outcomes import Outcomes, settle
from huiyin_simulator.posting import Receipt, Refusal, post_rows
from huiyin_simulator.rows import Row

BACKLOG: Final = 50_000
"""How many pieces may wait for their outcome before posting pauses: what keeps memory flat on any stream."""
_REFUSALS_KEPT: Final = 10

Progress = Callable[[str, int], None]
"""Is told a stage, `post` or `settle`, and how many rows have passed it."""


@dataclass(slots=True)
class Seeding:
    """A run of seeding: what became of the rows so far, and what stood in the way."""

    posted: Posted = field(default_factory=Posted)
    outcomes: Outcomes = field(default_factory=Outcomes)
    refusals: list[Refusal] = field(default_factory=list)
    bad_row: BadRow | None = None

    @property
    def went_well(self) -> bool:
        """Tell whether every row was taken and has its outcome, as far as it was waited for."""
        return self.bad_row is None and not self.posted.refused and not self.outcomes.waiting

    def add(self, receipt: Receipt) -> None:
        """Count one more batch; the first few refusals are kept to be told."""
        self.posted.add(receipt)
        self.refusals += receipt.refusals[: _REFUSALS_KEPT - len(self.refusals)]


async def post_only(
    client: SuiteClient, rows: Iterable[Row], *, progress: Progress
) -> tuple[Seeding, Figures]:
    """Post rows and return once they are stored."""
    began = monotonic()
    seeding = Seeding()
    try:
        async for receipt in post_rows(client, rows):
            seeding.add(receipt)
            progress("post", seeding.posted.rows)
    except BadRow as bad_row:
        seeding.bad_row = bad_row
    return seeding, posted_figures(seeding.posted, seconds=monotonic() - began)


async def post_and_settle(
    client: SuiteClient, rows: Iterable[Row], *, progress: Progress
) -> tuple[Seeding, Figures]:
    """Post rows and return once each new one has its outcome and its clocks, or nothing has moved for a minute.

    The seconds are those until the last outcome. Deadlines count from the start of the run on.
    """
    began, began_at = monotonic(), datetime.now(UTC)
    seeding = Seeding()
    outcomes = seeding.outcomes

    def told() -> None:
        progress("settle", outcomes.settled)

    try:
        async for receipt in post_rows(client, rows):
            seeding.add(receipt)
            outcomes.expect(receipt.accepted_ids)
            progress("post", seeding.posted.rows)
            await settle(client, outcomes, backlog=BACKLOG, on_progress=told)
    except BadRow as bad_row:
        seeding.bad_row = bad_row
    await settle(client, outcomes, on_progress=told)
    seconds = monotonic() - began
    await until_clocks_run(client)
    deadlines = await judge_deadlines(client, since=began_at)
    dead = await count_dead_letters(client)
    return seeding, settled_figures(seeding.posted, outcomes, deadlines, dead=dead, seconds=seconds)
