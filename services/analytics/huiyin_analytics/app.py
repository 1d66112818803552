"""The wiring of analytics."""

from datetime import timedelta
from typing import Final

from huiyin_analytics import api, checks, handlers, models
from huiyin_analytics.usecases.projections import open_projection
from huiyin_chassis.clock import utc_now
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Service


async def start(runtime: Runtime) -> None:
    """Open the projection that events are folded into, in the suite's zone; commits."""
    await open_projection(runtime.database, zone=runtime.suite.time_zone, now=utc_now())


SERVICE: Final = Service(
    name="analytics",
    router=api.router,
    metadata=models.metadata,
    subscriptions=handlers.subscriptions,
    linger=timedelta(milliseconds=200),
    problems=api.PROBLEMS,
    facts=checks.FACTS,
    checks=checks.CHECKS,
    on_start=start,
)
