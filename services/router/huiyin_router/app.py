"""The wiring of the router."""

from typing import Final

from huiyin_chassis.clock import utc_now
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Service
from huiyin_router import api, checks, handlers, models
from huiyin_router.usecases.rules import seed_rules


async def seed(runtime: Runtime) -> None:
    """Give a new router the shipped rules; commits."""
    async with runtime.database.writing() as tx:
        await seed_rules(tx, now=utc_now())


SERVICE: Final = Service(
    name="router",
    router=api.router,
    metadata=models.metadata,
    subscriptions=handlers.subscriptions,
    problems=api.PROBLEMS,
    facts=checks.FACTS,
    checks=checks.CHECKS,
    on_start=seed,
)
