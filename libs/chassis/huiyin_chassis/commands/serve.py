"""`huiyin up` and `huiyin run`."""

import gc
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from huiyin_chassis.console import AsJson, note, print_json, print_line
from huiyin_chassis.lean_imports import hide, import_in_part, models_made_on_first_use, without

if TYPE_CHECKING:
    from huiyin_chassis.settings import Settings
    from huiyin_eventbus.kafka import KafkaSettings

Port = Annotated[int | None, typer.Option("--port", help="HTTP port; 0 takes any free one.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where databases and the broker's log live.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""

    @app.command()
    def up(*, port: Port = None, data_dir: DataDir = None, json: AsJson = False) -> None:
        """Run all services, and without Kafka the broker, in this process on one port."""
        _begin_lean()
        from huiyin_chassis.host import run_loop  # noqa: PLC0415

        settings = _settings(port=port, data_dir=data_dir)
        run_loop(lambda: _up(settings, _announcer(as_json=json)))

    @app.command()
    def run(
        service: Annotated[str, typer.Argument(help="The service's name, such as intake.")],
        *,
        port: Port = None,
        data_dir: DataDir = None,
        json: AsJson = False,
    ) -> None:
        """Run one service in this process."""
        _begin_lean()
        from huiyin_chassis.host import host, run_loop  # noqa: PLC0415
        from huiyin_chassis.logging import configure_logging  # noqa: PLC0415
        from huiyin_chassis.service import load_service  # noqa: PLC0415

        settings = _settings(port=port, data_dir=data_dir)
        named = load_service(service)
        configure_logging(settings.log_level)
        announcer = _announcer(as_json=json)
        run_loop(lambda: host([named], settings, kafka=_kafka_found, announcer=announcer))


_LATER: Final[Mapping[str, Sequence[str]]] = {
    "sqlalchemy.ext.asyncio": ("scoping", "session"),
    "sqlalchemy.dialects.sqlite": ("aiosqlite", "pysqlcipher"),
    "sqlalchemy.dialects.postgresql": ("asyncpg", "pg8000", "psycopg2", "psycopg2cffi"),
    "prometheus_client": ("exposition",),
    "uvicorn": ("main",),
}
"""Modules that their packages import, and a start has no use for."""


def _begin_lean() -> None:
    """Prepare this process for importing services as fast as can be."""
    # A fifth faster without the collector; the host turns it on again.
    gc.disable()
    with without("rich"):
        import structlog  # noqa: F401, PLC0415 - so that it is there when others import it
    for package, modules in _LATER.items():
        import_in_part(package, later=modules)
    hide("pydantic.v1")
    with models_made_on_first_use():
        import fastapi  # noqa: F401, PLC0415 - so that it is there when others import it


async def _up(settings: "Settings", announcer: Any) -> None:
    from huiyin_chassis import provision  # noqa: PLC0415
    from huiyin_chassis.broker import kafka_of_suite  # noqa: PLC0415
    from huiyin_chassis.host import host  # noqa: PLC0415
    from huiyin_chassis.logging import configure_logging  # noqa: PLC0415
    from huiyin_chassis.service import load_services  # noqa: PLC0415

    configure_logging(settings.log_level)
    services = load_services()
    for service in services:
        await provision.migrate(settings, service)
    await host(services, settings, kafka=kafka_of_suite, announcer=announcer)


@asynccontextmanager
async def _kafka_found(settings: "Settings", _folder: Path) -> "AsyncIterator[KafkaSettings]":
    from huiyin_chassis.broker import find_kafka  # noqa: PLC0415

    yield await find_kafka(settings)


def _settings(**options: Any) -> "Settings":
    from huiyin_chassis.settings import Settings, load  # noqa: PLC0415

    return load(Settings, **{name: value for name, value in options.items() if value is not None})


def _announcer(*, as_json: bool) -> Any:
    from huiyin_chassis.host import Announcer  # noqa: PLC0415

    class OnTerminal(Announcer):
        """Speaks to the operator."""

        def made_key(self, key: str) -> None:
            """Show the key on stderr, this once."""
            note(f"admin key (shown once, keep it): {key}")

        def ready(self, url: str) -> None:
            """Say on stdout that requests are answered."""
            if as_json:
                print_json({"ready": url})
            else:
                print_line(f"ready {url}")

    return OnTerminal()
