"""What sla tells `huiyin verify`, and what it recounts: every promise has its clock, and every clock follows from facts."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.clock import utc_now
from huiyin_chassis.service import Check, Fact, Recount
from huiyin_contracts.vocabulary import ClockState, Target
from huiyin_sla.models import clock
from huiyin_sla.usecases.recount import differences

_GRACE: Final = timedelta(seconds=60)
_OF_A_TICKET: Final = (Target.RESPONSE.value, Target.RESOLUTION.value)


async def all_clocks(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give (ticket_id, target, cycle, state, due_at, met_at) of every clock, for `huiyin verify`."""
    columns = (
        clock.c.ticket_id, clock.c.target, clock.c.cycle, clock.c.state, clock.c.due_at, clock.c.met_at
    )  # fmt: skip
    async for row in await tx.stream(select(*columns).order_by(clock.c.ticket_id)):
        yield tuple(row)


async def all_differences(tx: AsyncConnection) -> AsyncIterator[tuple[Any, ...]]:
    """Give (ticket_id, target, cycle, what) of clocks that do not follow from the ledger, for `huiyin verify`."""
    async for found in differences(tx, now=utc_now()):
        yield found


FACTS: Final[Mapping[str, Fact]] = {"sla.clocks": all_clocks, "sla.differences": all_differences}


async def feedback_has_its_clock(recount: Recount) -> Sequence[str]:
    """Return accepted feedback without a classification clock, and such clocks without feedback."""
    timed = {row[0] async for row in recount.facts("sla.clocks") if row[1] == Target.CLASSIFICATION.value}
    accepted = {row[0] async for row in recount.facts("intake.feedback")}
    missing = [f"{each} was accepted and has no classification clock" for each in sorted(accepted - timed)]
    unknown = [
        f"{each} has a classification clock and was never accepted" for each in sorted(timed - accepted)
    ]
    return [*missing, *unknown]


async def tickets_have_their_clocks(recount: Recount) -> Sequence[str]:
    """Return routed tickets that lack a clock of their first cycle."""
    timed = {(row[0], row[1]) async for row in recount.facts("sla.clocks") if row[2] == 1}
    return [
        f"{row[0]} was routed and has no {target} clock"
        async for row in recount.facts("router.tickets")
        for target in _OF_A_TICKET
        if (row[0], target) not in timed
    ]


async def no_deadline_is_overlooked(recount: Recount) -> Sequence[str]:
    """Return clocks that still run a minute after their deadline."""
    latest = utc_now() - _GRACE
    return [
        f"{row[0]} {row[1]} {row[2]} runs, and was due at {row[4].isoformat()}"
        async for row in recount.facts("sla.clocks")
        if row[3] == ClockState.RUNNING.value and row[4] < latest
    ]


async def clocks_follow_from_facts(recount: Recount) -> Sequence[str]:
    """Return stored clocks that are not what the ledger gives when it is computed anew."""
    return [f"{row[0]} {row[1]} {row[2]}: {row[3]}" async for row in recount.facts("sla.differences")]


CHECKS: Final = (
    Check("every feedback has one classification clock", feedback_has_its_clock),
    Check("every routed ticket has its clocks", tickets_have_their_clocks),
    Check("no deadline overlooked", no_deadline_is_overlooked),
    Check("clocks follow from the ledger", clocks_follow_from_facts),
)
