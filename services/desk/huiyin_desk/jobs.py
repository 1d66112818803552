"""What the desk does by the clock: goes on with tickets whose pause has run out."""

from datetime import timedelta
from typing import Final

from huiyin_chassis.clock import utc_now
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Job
from huiyin_desk import queries
from huiyin_desk.usecases.work import resume_due_tickets


async def resume_tickets(runtime: Runtime) -> None:
    """Resume tickets that were paused until now or earlier; commits, and takes no write lock when there are none."""
    now = utc_now()
    async with runtime.database.reading() as tx:
        over = await queries.pauses_over(tx, now=now, limit=1)
    if over:
        async with runtime.database.writing() as tx:
            await resume_due_tickets(tx, now=now)


JOBS: Final = (Job("resume_tickets", timedelta(seconds=5), resume_tickets),)
