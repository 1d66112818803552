"""The wiring of the desk."""

from datetime import timedelta
from typing import Final

from huiyin_chassis.service import Service
from huiyin_desk import api, checks, handlers, jobs, models

SERVICE: Final = Service(
    name="desk",
    router=api.router,
    metadata=models.metadata,
    subscriptions=handlers.subscriptions,
    linger=timedelta(milliseconds=50),
    jobs=jobs.JOBS,
    problems=api.PROBLEMS,
    facts=checks.FACTS,
    checks=checks.CHECKS,
)
