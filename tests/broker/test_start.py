import os
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from huiyin_broker import Broker, BrokerSettings, LogLocked, LogUnusable, NotLoopback, PortInUse
from huiyin_broker.schema import APPLICATION_ID, VERSION
from tests.broker.conftest import StartBroker
from tests.broker.wire import WireClient


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "localhost", ""])  # noqa: S104
def test_only_loopback_addresses_are_accepted(settings: BrokerSettings, host: str) -> None:
    with pytest.raises(NotLoopback):
        Broker(replace(settings, host=host))


async def test_any_free_port_is_found_and_named(broker: Broker) -> None:
    assert broker.port > 0
    assert broker.bootstrap == f"127.0.0.1:{broker.port}"


async def test_a_busy_port_is_told_and_nothing_is_held(settings: BrokerSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]

        with pytest.raises(PortInUse) as refused:
            await Broker(replace(settings, port=port)).start()

    assert refused.value.port == port
    again = Broker(replace(settings, port=port))
    await again.start()
    await again.stop()


async def test_two_brokers_never_open_one_log(broker: Broker, start_broker: StartBroker) -> None:
    with pytest.raises(LogLocked):
        await start_broker()


async def test_a_stopped_broker_lets_go_of_port_and_log(start_broker: StartBroker) -> None:
    first = await start_broker()
    await first.stop()

    again = await start_broker(port=first.port)

    async with WireClient(again) as client:
        assert (await client.call(18, 0)).api_keys


async def test_a_log_of_a_newer_version_is_not_touched(
    settings: BrokerSettings, start_broker: StartBroker
) -> None:
    await (await start_broker()).stop()
    with sqlite3.connect(settings.path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")

    with pytest.raises(LogUnusable, match="newer version"):
        await start_broker()


async def test_another_sqlite_file_is_not_a_log(settings: BrokerSettings, start_broker: StartBroker) -> None:
    with sqlite3.connect(settings.path) as connection:
        connection.execute("CREATE TABLE precious (value)")

    with pytest.raises(LogUnusable, match="not a broker log"):
        await start_broker()
    tables = sqlite3.connect(settings.path).execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("precious",)]


async def test_a_file_that_is_no_database_is_not_a_log(
    settings: BrokerSettings, start_broker: StartBroker
) -> None:
    settings.path.write_bytes(b"letters to the editor" * 100)

    with pytest.raises(LogUnusable, match="not a database"):
        await start_broker()


async def test_a_damaged_log_is_told(settings: BrokerSettings, start_broker: StartBroker) -> None:
    await (await start_broker()).stop()
    with settings.path.open("r+b") as log:
        log.seek(4096)
        log.write(b"\xff" * 40_000)

    with pytest.raises(LogUnusable):
        await start_broker()


async def test_a_folder_in_the_place_of_the_log_is_told(
    settings: BrokerSettings, start_broker: StartBroker
) -> None:
    settings.path.mkdir()

    with pytest.raises(LogUnusable):
        await start_broker()


@pytest.fixture
def sealed_folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder nobody can write in, root included."""
    folder = tmp_path / "sealed"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    is_root = os.geteuid() == 0
    if is_root:
        mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("root writes everywhere and may not mount here")
    yield folder
    if is_root:
        subprocess.run(["umount", str(folder)], check=True)


async def test_a_read_only_folder_is_told(sealed_folder: Path, start_broker: StartBroker) -> None:
    with pytest.raises(LogUnusable, match=r"denied|Read-only"):
        await start_broker(path=sealed_folder / "broker.db")


async def test_a_folder_below_a_file_is_told(tmp_path: Path, start_broker: StartBroker) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(LogUnusable):
        await start_broker(path=tmp_path / "file" / "broker.db")


async def test_the_log_is_marked_as_one(settings: BrokerSettings, broker: Broker) -> None:
    connection = sqlite3.connect(settings.path)

    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_others_on_the_machine_cannot_read_the_log(settings: BrokerSettings, broker: Broker) -> None:
    assert stat.S_IMODE(settings.path.stat().st_mode) == 0o600


def test_the_testing_tool_that_kio_would_load_is_left_out_and_can_be_loaded_later() -> None:
    look = "import sys, huiyin_broker; print('hypothesis' in sys.modules); import hypothesis"

    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
