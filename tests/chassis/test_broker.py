"""The suite's Kafka: the embedded broker is started, found and read by those that need it."""

import socket
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from huiyin_chassis.broker import (
    broker_port,
    embedded_broker,
    find_kafka,
    kafka_for_reading,
    kafka_of_suite,
    kafka_settings,
)
from huiyin_chassis.datadir import BROKER_PORT
from huiyin_chassis.db import Database
from huiyin_chassis.errors import BrokerNotFound, BrokerRefused, SettingsBroken, TopicUnknown
from huiyin_chassis.logbook import read_log
from huiyin_chassis.migrate import upgrade
from huiyin_chassis.replay import replay
from huiyin_chassis.settings import Settings, load
from huiyin_chassis.tail import newest_events
from huiyin_eventbus.kafka import KafkaSettings, make_producer
from huiyin_eventbus.outbox import append
from huiyin_eventbus.relay import Relay
from huiyin_eventbus.tables import consumer_offset
from tests.chassis.example.app import SERVICE, unit_changed


def settings_in(folder: Path, **changes: object) -> Settings:
    return Settings.model_validate({"data_dir": folder, "broker_port": 0, **changes})


def port_of(kafka: KafkaSettings) -> int:
    return int(kafka.bootstrap.rpartition(":")[2])


async def test_the_port_in_use_stands_in_the_data_folder_while_the_broker_runs(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    with pytest.raises(BrokerNotFound):
        await find_kafka(settings)
    async with kafka_of_suite(settings, tmp_path) as kafka:
        assert broker_port(tmp_path) == port_of(kafka)
        assert await find_kafka(settings) == kafka

    assert broker_port(tmp_path) is None


async def test_a_port_left_behind_by_a_killed_broker_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "broker.port").write_text("1\n")

    with pytest.raises(BrokerNotFound, match="huiyin up"):
        await find_kafka(settings_in(tmp_path))


async def test_a_failure_of_whoever_uses_the_broker_leaves_no_port_and_no_broker(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    with pytest.raises(ZeroDivisionError):
        async with embedded_broker(settings, tmp_path) as broker:
            raise ZeroDivisionError
    async with embedded_broker(settings_in(tmp_path, broker_port=broker.port), tmp_path) as again:
        assert again.port == broker.port

    assert not (tmp_path / BROKER_PORT).exists()


async def test_a_port_file_that_cannot_be_written_leaves_no_broker(tmp_path: Path) -> None:
    (tmp_path / BROKER_PORT).mkdir()

    with pytest.raises(OSError, match=BROKER_PORT):
        async with embedded_broker(settings_in(tmp_path), tmp_path):
            pass

    (tmp_path / BROKER_PORT).rmdir()
    async with embedded_broker(settings_in(tmp_path), tmp_path):
        assert broker_port(tmp_path)


async def test_a_wished_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wished = settings_in(tmp_path, broker_port=taken.getsockname()[1])

        with pytest.raises(BrokerRefused, match="in use"):
            async with kafka_of_suite(wished, tmp_path):
                pass


async def test_a_log_that_another_broker_has_open_is_refused(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    async with kafka_of_suite(settings, tmp_path):
        with pytest.raises(BrokerRefused, match="another broker"):
            async with kafka_for_reading(settings):
                pass


def test_a_kafka_of_the_settings_is_taken_with_its_credentials() -> None:
    settings = Settings(
        kafka_bootstrap="kafka:9093",
        kafka_security="SASL_SSL",
        kafka_username="huiyin",
        kafka_password=SecretStr("secret"),
    )

    kafka = kafka_settings(settings, "kafka:9093")

    assert (kafka.security, kafka.username, kafka.password) == ("SASL_SSL", "huiyin", "secret")
    assert kafka.mechanism == "PLAIN"
    assert "secret" not in repr(kafka)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_the_mechanism_of_the_settings_is_what_every_client_signs_in_with(
    monkeypatch: pytest.MonkeyPatch, mechanism: str
) -> None:
    monkeypatch.setenv("HUIYIN_KAFKA_MECHANISM", mechanism)
    monkeypatch.setenv("HUIYIN_KAFKA_BOOTSTRAP", "kafka:9093")
    monkeypatch.setenv("HUIYIN_KAFKA_SECURITY", "SASL_PLAINTEXT")
    monkeypatch.setenv("HUIYIN_KAFKA_USERNAME", "huiyin")
    monkeypatch.setenv("HUIYIN_KAFKA_PASSWORD", "secret")

    kafka = await find_kafka(load(Settings))

    assert kafka.client()["sasl_mechanism"] == mechanism
    await make_producer(kafka, name="test").stop()


def test_an_unknown_mechanism_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUIYIN_KAFKA_MECHANISM", "SCRAM-SHA-1")

    with pytest.raises(SettingsBroken, match="HUIYIN_KAFKA_MECHANISM"):
        load(Settings)


async def test_with_a_password_the_embedded_broker_asks_for_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, broker_password="a password")

    async with kafka_of_suite(settings, tmp_path) as kafka:
        assert kafka.security == "SASL_PLAINTEXT"
        assert (await read_log(kafka)).topics == {}


async def test_what_was_published_is_tailed_recounted_and_read_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/example.db")
    await upgrade(database, SERVICE)
    async with kafka_of_suite(settings_in(tmp_path), tmp_path) as kafka:
        async with database.writing() as tx:
            await append(tx, *(unit_changed(f"unit-{number % 3}") for number in range(30)))
        relay = Relay(database, kafka, service="example")
        await relay.start()
        await relay.stop()

        newest = await newest_events(kafka, [], limit=5)
        logbook = await read_log(kafka)
        counts = await replay(SERVICE, database, kafka, topics=[], since=None)

    async with database.reading() as tx:
        positions = (await tx.execute(select(consumer_offset.c.next_offset))).scalars().all()
    await database.close()
    assert [row["topic"] for row in newest] == ["unit.changed"] * 5
    assert len(logbook.topics["unit.changed"].ids) == 30
    assert logbook.topics["unit.changed"].broken == []
    assert counts == {"unit.changed": 30}
    assert set(positions) == {0}


async def test_a_topic_that_is_nowhere_is_told_by_its_name(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/example.db")
    await upgrade(database, SERVICE)
    async with kafka_of_suite(settings_in(tmp_path), tmp_path) as kafka:
        with pytest.raises(TopicUnknown, match="'nope'"):
            await newest_events(kafka, ["nope"], limit=5)
        with pytest.raises(TopicUnknown, match=r"there are: unit\.changed"):
            await replay(SERVICE, database, kafka, topics=["feedback.received"], since=None)

        not_published_yet = await newest_events(kafka, ["feedback.received"], limit=5)

    await database.close()
    assert not_published_yet == []
