"""`huiyin migrate`: schemas, and on request the databases and topics they need."""

import asyncio
from typing import Annotated, Any

import typer

from huiyin_chassis.console import AsJson, print_json, print_line, progress


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def migrate(
        *,
        create: Annotated[
            bool, typer.Option("--create", help="Make missing PostgreSQL databases and Kafka topics first.")
        ] = False,
        json: AsJson = False,
    ) -> None:
        """Bring every service's database up to date; safe to repeat."""
        outcome = asyncio.run(_migrate_all(creating=create))
        if json:
            print_json(outcome)
            return
        for service in outcome["services"]:
            applied = ", ".join(service["applied"]) or "up to date"
            print_line(f"{service['name']}: {applied}")
        for topic in outcome["topics"]:
            print_line(f"topic {topic}")


async def _migrate_all(*, creating: bool) -> dict[str, Any]:
    from huiyin_chassis import provision  # noqa: PLC0415 - imports Alembic and the services
    from huiyin_chassis.service import load_services  # noqa: PLC0415
    from huiyin_chassis.settings import Settings, load  # noqa: PLC0415

    settings = load(Settings)
    services = load_services()
    outcome: dict[str, Any] = {"services": [], "topics": []}
    with progress(services, title="Migrating") as each:
        for service in each:
            if creating:
                await provision.create_database(settings, service)
            applied = await provision.migrate(settings, service)
            outcome["services"].append({"name": service.name, "applied": applied})
    if creating:
        outcome["topics"] = await provision.create_topics(settings)
    return outcome
