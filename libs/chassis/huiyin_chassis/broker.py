"""Where the suite's Kafka is: the one named in the settings, or the embedded broker on this machine.

The embedded broker belongs to `huiyin up` and `huiyin broker`; they leave its port in the data folder, where
`huiyin run`, `verify` and `events` find it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from huiyin_broker import Broker, BrokerError, BrokerSettings, PortInUse
from huiyin_broker.settings import GROUP_INITIAL_DELAY
from huiyin_chassis.datadir import BROKER_LOG, BROKER_PORT, write_private
from huiyin_chassis.errors import BrokerNotFound, BrokerRefused
from huiyin_chassis.settings import Settings

if TYPE_CHECKING:
    from huiyin_eventbus.kafka import KafkaSettings

LOOPBACK: Final = "127.0.0.1"
_USERNAME: Final = "huiyin"
_PORTS_TRIED: Final = 64
_KNOCK_SECONDS: Final = 1

log = structlog.get_logger()


def kafka_settings(settings: Settings, bootstrap: str) -> "KafkaSettings":
    """Return how the bus reaches Kafka at an address; the embedded broker's when the settings name no Kafka."""
    from huiyin_eventbus.kafka import KafkaSettings  # noqa: PLC0415 - aiokafka takes long to import

    if settings.kafka_bootstrap is None:
        password = settings.broker_password
        return KafkaSettings(
            bootstrap=bootstrap,
            security="PLAINTEXT" if password is None else "SASL_PLAINTEXT",
            username=None if password is None else _USERNAME,
            password=None if password is None else password.get_secret_value(),
            partitions=settings.broker_partitions,
        )
    password = settings.kafka_password
    return KafkaSettings(
        bootstrap=bootstrap,
        security=settings.kafka_security,
        mechanism=settings.kafka_mechanism,
        username=settings.kafka_username,
        password=None if password is None else password.get_secret_value(),
        ca_file=settings.kafka_ca_file,
    )


async def find_kafka(settings: Settings) -> "KafkaSettings":
    """Return the Kafka of the settings, or the running embedded broker.

    Raises BrokerNotFound when neither is there.
    """
    if settings.kafka_bootstrap is not None:
        return kafka_settings(settings, settings.kafka_bootstrap)
    port = broker_port(settings.data_dir)
    if port is None or not await _answers(port):
        raise BrokerNotFound(settings.data_dir)
    # It may come back on another port: whoever makes a new client asks again.
    return replace(
        kafka_settings(settings, f"{LOOPBACK}:{port}"), locate=lambda: _address_left(settings.data_dir)
    )


def _address_left(folder: Path) -> str | None:
    port = broker_port(folder)
    return None if port is None else f"{LOOPBACK}:{port}"


@asynccontextmanager
async def kafka_of_suite(settings: Settings, folder: Path) -> AsyncIterator["KafkaSettings"]:
    """Give the Kafka of the settings; without one, start the embedded broker on this folder's log and stop it after.

    Raises BrokerRefused when the broker cannot start.
    """
    if settings.kafka_bootstrap is not None:
        yield kafka_settings(settings, settings.kafka_bootstrap)
        return
    # Each of the suite's groups has one member, so there is nobody to wait for.
    async with embedded_broker(settings, folder, group_initial_delay=timedelta()) as broker:
        yield kafka_settings(settings, broker.bootstrap)


@asynccontextmanager
async def embedded_broker(
    settings: Settings, folder: Path, *, group_initial_delay: timedelta = GROUP_INITIAL_DELAY
) -> AsyncIterator[Broker]:
    """Start the embedded broker on a folder's log, leave its port there for those who look, and stop it after.

    Raises BrokerRefused when it cannot start.
    """
    broker = await _started(settings, folder, group_initial_delay=group_initial_delay)
    port_file = folder / BROKER_PORT
    async with AsyncExitStack() as stack:
        stack.push_async_callback(broker.stop)
        stack.callback(port_file.unlink, missing_ok=True)
        write_private(port_file, f"{broker.port}\n")
        yield broker


@asynccontextmanager
async def kafka_for_reading(settings: Settings) -> AsyncIterator["KafkaSettings"]:
    """Give a broker of our own on the log of a suite that stands still; it tells nobody its port.

    Raises BrokerRefused when another broker has the log open.
    """
    broker = await _started(settings.model_copy(update={"broker_port": 0}), settings.data_dir.absolute())
    try:
        yield kafka_settings(settings, broker.bootstrap)
    finally:
        await broker.stop()


def broker_port(folder: Path) -> int | None:
    """Return the port that the embedded broker of a data folder left there, None when it left none."""
    try:
        left = (folder / BROKER_PORT).read_text().strip()
    except OSError:
        return None
    return int(left) if left.isdecimal() else None


async def _started(
    settings: Settings, folder: Path, *, group_initial_delay: timedelta = GROUP_INITIAL_DELAY
) -> Broker:
    """Return a broker on the port of the settings; where they name none, on the next free one with a notice."""
    password = settings.broker_password
    wished = settings.broker_port
    tries = 1 if "broker_port" in settings.model_fields_set else _PORTS_TRIED
    for port in range(wished, min(wished + tries, 65536)):
        broker = Broker(
            BrokerSettings(
                path=folder / BROKER_LOG,
                host=LOOPBACK,
                port=port,
                partitions=settings.broker_partitions,
                password=None if password is None else password.get_secret_value(),
                group_initial_delay=group_initial_delay,
            )
        )
        try:
            await broker.start()
        except PortInUse:
            continue
        except BrokerError as error:
            raise BrokerRefused(str(error)) from None
        except OSError as error:
            raise BrokerRefused(f"the broker cannot listen on port {port}: {error.strerror}") from None
        if port != wished:
            log.warning("broker_port_in_use", wished=wished, used=port)
        return broker
    raise BrokerRefused(
        f"the broker's port {wished} is in use" + (f", and so are the next {tries}" * (tries > 1))
    )


async def _answers(port: int) -> bool:
    try:
        async with asyncio.timeout(_KNOCK_SECONDS):
            _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True
