"""The wiring of the directory."""

from typing import Final

from huiyin_chassis.clock import utc_now
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Service
from huiyin_directory import api, handlers, models, usecases


async def seed(runtime: Runtime) -> None:
    """Give an empty directory the shipped departments; commits."""
    async with runtime.database.writing() as tx:
        await usecases.seed_units(tx, now=utc_now())


SERVICE: Final = Service(
    name="directory",
    router=api.router,
    metadata=models.metadata,
    subscriptions=handlers.subscriptions,
    problems=api.PROBLEMS,
    on_start=seed,
)
