"""`huiyin verify`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from huiyin_chassis.console import AsJson, doing, print_json, print_line

if TYPE_CHECKING:
    from huiyin_chassis.settings import Settings
    from huiyin_chassis.verify import Report
    from huiyin_eventbus.kafka import KafkaSettings


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def verify(
        *,
        wait_seconds: Annotated[
            float,
            typer.Option(
                "--wait", min=0, help="Seconds to wait for events on their way, while the suite runs."
            ),
        ] = 15,
        data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Where the databases live.")] = None,
        json: AsJson = False,
    ) -> None:
        """Recount across all databases and the log that every event had its effect, once; exit 1 when not."""
        from huiyin_chassis.settings import Settings, load  # noqa: PLC0415 - what follows imports all services

        settings = load(Settings, **({} if data_dir is None else {"data_dir": data_dir}))
        report = asyncio.run(_verify(settings, wait_seconds=wait_seconds))
        if json:
            print_json(report.document())
        else:
            _print(report)
        if not report.ok:
            raise typer.Exit(1)


async def _verify(settings: "Settings", *, wait_seconds: float) -> "Report":
    from huiyin_chassis import verify  # noqa: PLC0415
    from huiyin_chassis.logging import configure_logging  # noqa: PLC0415
    from huiyin_chassis.service import load_services  # noqa: PLC0415

    configure_logging("error")
    services = load_services()
    with doing("Verifying") as progress:
        async with verify.opened(services, settings) as databases, _kafka(settings) as (kafka, is_moving):
            patience = wait_seconds if is_moving else 0
            return await verify.verify(
                services, databases, kafka, patience_seconds=patience, progress=progress
            )


@asynccontextmanager
async def _kafka(settings: "Settings") -> "AsyncIterator[tuple[KafkaSettings, bool]]":
    """Give how to reach the log and whether anything moves there: nothing does on a broker started for the recount."""
    from huiyin_chassis.broker import find_kafka, kafka_for_reading  # noqa: PLC0415
    from huiyin_chassis.errors import BrokerNotFound  # noqa: PLC0415

    try:
        found = await find_kafka(settings)
    except BrokerNotFound:
        async with kafka_for_reading(settings) as kafka:
            yield kafka, False
    else:
        yield found, True


def _print(report: "Report") -> None:
    marks: dict[Any, str] = {True: "ok", False: "FAILED", None: "skipped"}
    for finding in report.checks:
        count = f" ({finding.count})" if finding.count else ""
        print_line(f"{marks[finding.ok]:8}{finding.name}{count}")
        for example in finding.examples:
            print_line(f"          {example}")
    print_line("verified" if report.ok else "not verified: see what failed above")
