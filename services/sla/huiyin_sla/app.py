"""The wiring of sla."""

from datetime import timedelta
from typing import Final

from huiyin_chassis.clock import utc_now
from huiyin_chassis.errors import SettingsBroken
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Service
from huiyin_sla import api, checks, handlers, jobs, models
from huiyin_sla.errors import PolicyMalformed
from huiyin_sla.settings import SlaSettings
from huiyin_sla.usecases.terms import seed_terms


async def prepare(runtime: Runtime) -> None:
    """Put the shipped terms and those of the settings into force; commits. Raises SettingsBroken."""
    overriding = runtime.settings.policies_document()
    try:
        async with runtime.database.writing() as tx:
            await seed_terms(tx, overriding=overriding, now=utc_now())
    except PolicyMalformed as malformed:
        raise SettingsBroken(f"HUIYIN_SLA_POLICIES: {malformed}") from None
    runtime.health.add("wall_clock", jobs.sweeper_of(runtime).probe)


SERVICE: Final = Service(
    name="sla",
    router=api.router,
    metadata=models.metadata,
    subscriptions=handlers.subscriptions,
    linger=timedelta(milliseconds=50),
    jobs=jobs.JOBS,
    problems=api.PROBLEMS,
    settings=SlaSettings,
    facts=checks.FACTS,
    checks=checks.CHECKS,
    on_start=prepare,
)
