"""`huiyin broker`: the embedded broker alone, for services that run in processes of their own."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from huiyin_chassis.console import AsJson, print_json, print_line

if TYPE_CHECKING:
    from huiyin_chassis.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command()
    def broker(
        *,
        port: Annotated[
            int | None, typer.Option("--port", help="Loopback port; 0 takes any free one.")
        ] = None,
        data_dir: Annotated[
            Path | None, typer.Option("--data-dir", help="Where the broker's log lives.")
        ] = None,
        json: AsJson = False,
    ) -> None:
        """Run the embedded broker alone; say `ready HOST:PORT` once clients can connect."""
        from huiyin_chassis.logging import configure_logging  # noqa: PLC0415 - imports tracing
        from huiyin_chassis.settings import Settings, load  # noqa: PLC0415

        options = {"broker_port": port, "data_dir": data_dir}
        settings = load(Settings, **{name: value for name, value in options.items() if value is not None})
        configure_logging(settings.log_level)
        asyncio.run(_serve(settings, _announce_json if json else _announce))


async def _serve(settings: "Settings", announce: Callable[[str], None]) -> None:
    """Run the broker until SIGTERM or SIGINT; `announce` gets its address once it listens."""
    from huiyin_chassis.broker import embedded_broker  # noqa: PLC0415 - imports the broker
    from huiyin_chassis.datadir import open_data_dir  # noqa: PLC0415
    from huiyin_chassis.stopping import StopSignal  # noqa: PLC0415

    stop = StopSignal()
    async with embedded_broker(settings, open_data_dir(settings.data_dir)) as broker:
        announce(broker.bootstrap)
        await stop.wait()


def _announce(address: str) -> None:
    print_line(f"ready {address}")


def _announce_json(address: str) -> None:
    print_json({"ready": address})
