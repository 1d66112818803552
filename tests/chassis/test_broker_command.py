"""`huiyin broker` as an operator meets it: the embedded broker alone in a process of its own."""

import json
import socket
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from huiyin_chassis.broker import LOOPBACK, find_kafka
from huiyin_chassis.datadir import BROKER_LOG, BROKER_PORT
from huiyin_chassis.logbook import read_log
from huiyin_chassis.settings import Settings
from tests.chassis.processes import Huiyin, Serving, one_line

DEFAULT_PORT = 9092


@pytest.fixture
def huiyin(tmp_path: Path) -> Huiyin:
    return Huiyin(tmp_path)


def settings_of(huiyin: Huiyin, **changes: object) -> Settings:
    """Return what another process on the same data folder would run with."""
    return Settings.model_validate({"data_dir": huiyin.data_dir, **changes})


def told(serving: Serving) -> list[dict[str, object]]:
    """Return what it has logged."""
    return [json.loads(line) for line in serving.stderr.splitlines()]


def test_it_says_when_clients_can_connect_and_ends_with_0_on_sigterm(huiyin: Huiyin) -> None:
    with huiyin.serving("broker") as broker:
        host, _, port = broker.url.partition(":")
        left = (huiyin.data_dir / BROKER_PORT).read_text()
        socket.create_connection((host, int(port)), timeout=5).close()

        assert broker.end() == 0

    assert (broker.said, left) == (f"ready {LOOPBACK}:{port}", f"{port}\n")
    # A client that connects and says nothing may or may not be noticed before the stop.
    events = [line["event"] for line in told(broker) if line["event"] != "connection_turned_away"]
    assert events == ["broker_started", "stopping", "broker_stopped"]
    assert not (huiyin.data_dir / BROKER_PORT).exists()


async def test_other_processes_find_it_and_a_topic_has_the_partitions_that_were_set(huiyin: Huiyin) -> None:
    with huiyin.serving("broker", HUIYIN_BROKER_PARTITIONS="6") as broker:
        kafka = await find_kafka(settings_of(huiyin))
        async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
            partitions = await producer.partitions_for("unit.changed")
        tail = huiyin.run("events", "tail", "unit.changed", "--json")

    assert kafka.bootstrap == broker.url
    assert len(partitions) == 6
    assert (tail.returncode, json.loads(tail.stdout)) == (0, [])


def test_with_json_the_address_is_the_one_document_on_stdout(huiyin: Huiyin) -> None:
    with huiyin.serving("broker", "--json") as broker:
        broker.process.terminate()
        assert broker.process.stdout is not None
        rest = broker.process.stdout.read()

    document = json.loads(broker.said)
    assert set(document) == {"ready"}
    assert document["ready"].startswith(f"{LOOPBACK}:")
    assert rest == ""


def test_the_command_line_goes_before_the_environment(huiyin: Huiyin, tmp_path: Path) -> None:
    other = tmp_path / "other"

    with (
        socket.create_server((LOOPBACK, 0)) as taken,
        huiyin.serving(
            *("broker", "--port", "0", "--data-dir", str(other)),
            HUIYIN_BROKER_PORT=str(taken.getsockname()[1]),
        ),
    ):
        files = {path.name for path in other.iterdir()}

    assert {"VERSION", BROKER_LOG, BROKER_PORT} <= files
    assert not huiyin.data_dir.exists()


@pytest.mark.parametrize("source", ["env", "secret"])
async def test_a_password_outside_the_environment_is_asked_for_and_not_told(
    huiyin: Huiyin, tmp_path: Path, source: str
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    if source == "env":
        (tmp_path / ".env").write_text("HUIYIN_BROKER_PASSWORD=a secret\n")
    else:
        (secrets / "HUIYIN_BROKER_PASSWORD").write_text("a secret")

    with huiyin.serving("broker", HUIYIN_SECRETS_DIR=str(secrets), HUIYIN_LOG_LEVEL="debug") as broker:
        # A broker without a password refuses to be given one.
        kafka = await find_kafka(settings_of(huiyin, broker_password="a secret"))
        logbook = await read_log(kafka)

    assert logbook.topics == {}
    assert "a secret" not in broker.stderr


def test_a_busy_port_that_was_asked_for_is_one_line(huiyin: Huiyin) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = str(taken.getsockname()[1])
        by_option = huiyin.run("broker", "--port", port)
        by_environment = huiyin.run("broker", HUIYIN_BROKER_PORT=port)

    for refused in (by_option, by_environment):
        assert (refused.returncode, refused.stdout) == (1, "")
        assert one_line(refused.stderr) == f"huiyin: the broker's port {port} is in use"
    assert not (huiyin.data_dir / BROKER_PORT).exists()


def test_a_busy_default_port_moves_on_with_a_notice(huiyin: Huiyin) -> None:
    try:
        taken = socket.create_server((LOOPBACK, DEFAULT_PORT))
    except OSError:
        pytest.skip(f"port {DEFAULT_PORT} is already in use here")
    # An empty variable counts as none.
    with taken, huiyin.serving("broker", HUIYIN_BROKER_PORT="") as broker:
        notice = next(line for line in told(broker) if line["event"] == "broker_port_in_use")

    assert broker.url == f"{LOOPBACK}:{notice['used']}"
    assert (notice["level"], notice["wished"]) == ("warning", DEFAULT_PORT)
    assert notice["used"] != DEFAULT_PORT


def test_a_second_broker_on_the_same_folder_is_one_line_and_leaves_the_first_alone(huiyin: Huiyin) -> None:
    with huiyin.serving("broker") as first:
        refused = huiyin.run("broker")
        left = (huiyin.data_dir / BROKER_PORT).read_text().strip()

    assert refused.returncode == 1
    assert "another broker has it open" in one_line(refused.stderr)
    assert first.url == f"{LOOPBACK}:{left}"


def test_a_data_folder_of_a_newer_version_is_one_line_and_left_alone(huiyin: Huiyin) -> None:
    huiyin.data_dir.mkdir()
    (huiyin.data_dir / "VERSION").write_text("99\n")

    refused = huiyin.run("broker")

    assert refused.returncode == 1
    assert "newer version" in one_line(refused.stderr)
    assert [path.name for path in huiyin.data_dir.iterdir()] == ["VERSION"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HUIYIN_BROKER_PORT", "ninety"),
        ("HUIYIN_BROKER_PORT", "70000"),
        ("HUIYIN_BROKER_PARTITIONS", "0"),
    ],
)
def test_a_broken_setting_is_one_line_that_names_it(huiyin: Huiyin, variable: str, value: str) -> None:
    refused = huiyin.run("broker", **{variable: value})

    assert refused.returncode == 2
    assert one_line(refused.stderr).startswith(f"huiyin: {variable}: ")
    assert value not in refused.stderr
    assert not huiyin.data_dir.exists()
