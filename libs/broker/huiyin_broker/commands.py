"""`huiyin broker`: the broker alone, in the foreground."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import structlog
import typer

from huiyin_broker.errors import BrokerError, PortInUse
from huiyin_broker.server import Broker, serve
from huiyin_broker.settings import BrokerSettings

_DEFAULT_PORT = 9092
_PORTS_TRIED = 100


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("broker")(run_broker)


def run_broker(
    port: Annotated[int | None, typer.Option(help="loopback port; default 9092 or the next free one")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="where the log is kept")] = None,
) -> None:
    """Run the embedded broker alone until SIGTERM; print `ready 127.0.0.1:PORT` once clients can connect."""
    _log_to_stderr()
    try:
        settings = settings_from(os.environ, port=port, data_dir=data_dir)
        asyncio.run(serve_on_free_port(settings, may_move=_may_move(os.environ, port=port)))
    except (BrokerError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error


def settings_from(
    environment: Mapping[str, str], *, port: int | None, data_dir: Path | None
) -> BrokerSettings:
    """Return the settings the environment and the command line ask for. Raises ValueError on nonsense."""
    folder = data_dir or Path(environment.get("HUIYIN_DATA_DIR") or ".huiyin")
    return BrokerSettings(
        path=folder / "broker.db",
        port=port
        if port is not None
        else _number(environment, "HUIYIN_BROKER_PORT", _DEFAULT_PORT, least=0, most=65535),
        partitions=_number(environment, "HUIYIN_BROKER_PARTITIONS", 12, least=1, most=1000),
        password=environment.get("HUIYIN_BROKER_PASSWORD") or None,
    )


async def serve_on_free_port(settings: BrokerSettings, *, may_move: bool) -> None:
    """Serve; when the port is busy and may move, take the next free one and say so. Raises BrokerError."""
    for attempt in range(_PORTS_TRIED):
        tried = replace(settings, port=settings.port + attempt)
        try:
            await serve(tried, ready=_announce)
        except PortInUse as error:
            if not may_move or attempt == _PORTS_TRIED - 1:
                raise
            typer.echo(f"notice: {error}, trying {error.port + 1}", err=True)
        else:
            _port_file(settings).unlink(missing_ok=True)
            return


def _log_to_stderr() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def _announce(broker: Broker) -> None:
    _port_file(broker.settings).write_text(f"{broker.port}\n", encoding="ascii")
    typer.echo(f"ready {broker.bootstrap}")


def _port_file(settings: BrokerSettings) -> Path:
    return settings.path.with_name("broker.port")


def _may_move(environment: Mapping[str, str], *, port: int | None) -> bool:
    return port is None and not environment.get("HUIYIN_BROKER_PORT")


def _number(environment: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    text = environment.get(name)
    if not text:
        return default
    with contextlib.suppress(ValueError):
        if least <= int(text) <= most:
            return int(text)
    raise ValueError(f"{name} must be a whole number from {least} to {most}, not {text!r}")
