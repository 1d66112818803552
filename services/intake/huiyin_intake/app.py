"""The wiring of intake."""

from typing import Final

from huiyin_chassis.service import Service
from huiyin_intake import api, checks, handlers, models

SERVICE: Final = Service(
    name="intake",
    router=api.router,
    metadata=models.metadata,
    subscriptions=handlers.subscriptions,
    problems=api.PROBLEMS,
    facts=checks.FACTS,
    admits=True,
)
