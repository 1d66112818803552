import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from huiyin_broker.commands import settings_from

HUIYIN = Path(sys.executable).with_name("huiyin")
START_SECONDS = 20


class Terminal:
    """Starts `huiyin broker` and reads what it says."""

    def __init__(self, stack: ExitStack, data_dir: Path) -> None:
        self._stack = stack
        self.data_dir = data_dir

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HUIYIN_")}
        process = self._stack.enter_context(
            subprocess.Popen(
                [str(HUIYIN), "broker", "--data-dir", str(self.data_dir), *arguments],
                env={**clean, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        self._stack.callback(process.kill)
        return process


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with ExitStack() as stack:
        yield Terminal(stack, tmp_path / "data")


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_it_says_when_it_is_ready_and_ends_with_0_on_sigterm(terminal: Terminal) -> None:
    process = terminal.start("--port", "0")

    ready = first_line(process)
    port = int(ready.removeprefix("ready 127.0.0.1:"))
    written = (terminal.data_dir / "broker.port").read_text()
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=START_SECONDS)

    assert written == f"{port}\n"
    assert (process.returncode, output) == (0, "")
    assert "Traceback" not in errors
    assert not (terminal.data_dir / "broker.port").exists()


def test_a_busy_port_that_was_asked_for_is_one_line_and_1(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        output, errors = terminal.start("--port", port).communicate(timeout=START_SECONDS)
        by_environment = terminal.start(HUIYIN_BROKER_PORT=port)
        by_environment.communicate(timeout=START_SECONDS)

    assert output == ""
    assert errors.splitlines()[-1:] == [f"error: port {port} is in use"]
    assert by_environment.returncode == 1


def test_a_busy_default_port_moves_on_with_a_notice(terminal: Terminal) -> None:
    try:
        occupied = socket.create_server(("127.0.0.1", 9092))
    except OSError:
        pytest.skip("port 9092 is already in use here")
    with occupied:
        process = terminal.start()
        ready = first_line(process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=START_SECONDS)

    assert ready != "ready 127.0.0.1:9092"
    assert "notice: port 9092 is in use" in errors


def test_a_second_broker_on_the_same_folder_is_one_line_and_1(terminal: Terminal) -> None:
    first = terminal.start("--port", "0")
    first_line(first)

    second = terminal.start("--port", "0")
    _, errors = second.communicate(timeout=START_SECONDS)

    assert second.returncode == 1
    assert "another broker has it open" in errors.splitlines()[-1]


@pytest.mark.parametrize(
    "environment",
    [{"HUIYIN_BROKER_PORT": "ninety"}, {"HUIYIN_BROKER_PORT": "70000"}, {"HUIYIN_BROKER_PARTITIONS": "0"}],
)
def test_a_broken_setting_names_itself(environment: Mapping[str, str]) -> None:
    (name,) = environment

    with pytest.raises(ValueError, match=name):
        settings_from(environment, port=None, data_dir=None)


def test_the_environment_is_heard_and_the_command_line_goes_before_it(tmp_path: Path) -> None:
    environment = {
        "HUIYIN_DATA_DIR": str(tmp_path),
        "HUIYIN_BROKER_PORT": "19000",
        "HUIYIN_BROKER_PARTITIONS": "6",
        "HUIYIN_BROKER_PASSWORD": "secret",
    }

    heard = settings_from(environment, port=None, data_dir=None)
    overruled = settings_from(environment, port=1234, data_dir=tmp_path / "other")

    assert (heard.path, heard.port, heard.partitions) == (tmp_path / "broker.db", 19000, 6)
    assert heard.password == "secret"
    assert (overruled.path, overruled.port) == (tmp_path / "other" / "broker.db", 1234)
    assert settings_from({}, port=None, data_dir=None).path == Path(".huiyin/broker.db")
