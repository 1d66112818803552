"""What intake does by the clock: forgets answers to repeated requests that nobody will repeat any more."""

from datetime import timedelta
from typing import Final

from huiyin_chassis.clock import utc_now
from huiyin_chassis.idempotency import forget_answers
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Job


async def forget_old_answers(runtime: Runtime) -> None:
    """Delete answers to an `Idempotency-Key` older than seven days; commits."""
    async with runtime.database.writing() as tx:
        await forget_answers(tx, now=utc_now())


JOBS: Final = (Job("forget_old_answers", timedelta(hours=1), forget_old_answers),)
