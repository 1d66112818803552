"""`huiyin analytics rebuild` reads the log of a suite from its beginning and compares."""

import json
from pathlib import Path

import pytest

from huiyin_analytics.app import SERVICE
from huiyin_analytics.commands import logged_events
from huiyin_analytics.domain.facts import CASE_EVENTS
from huiyin_broker import Broker, BrokerSettings
from huiyin_chassis import cli
from huiyin_chassis.datadir import BROKER_LOG
from huiyin_chassis.provision import migrate
from huiyin_chassis.settings import Settings
from huiyin_contracts.event import Envelope
from huiyin_eventbus.kafka import KafkaSettings, ensure_topics, make_producer
from tests.analytics.stories import many_stories, published

TOPICS = [event.TYPE for event in CASE_EVENTS]


async def publish(kafka: KafkaSettings, envelopes: list[Envelope]) -> None:
    await ensure_topics(kafka, TOPICS)
    producer = make_producer(kafka, name="tests")
    await producer.start()
    for envelope in envelopes:
        await producer.send(envelope.type, envelope.data, key=b"case", headers=envelope.headers())
    await producer.flush()
    await producer.stop()


@pytest.fixture
async def log(tmp_path: Path) -> list[Envelope]:
    """Leave a data folder with a log of some stories and the migrated schema of analytics."""
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", database_url=None)
    await migrate(settings, SERVICE)
    broker = Broker(BrokerSettings(path=settings.data_dir / BROKER_LOG, port=0, partitions=3))
    await broker.start()
    envelopes = published(many_stories(12))
    await publish(KafkaSettings(bootstrap=broker.bootstrap, partitions=3), envelopes)
    await broker.stop()
    return envelopes


async def test_every_event_of_the_log_is_read_once(tmp_path: Path) -> None:
    broker = Broker(BrokerSettings(path=tmp_path / "broker.db", port=0, partitions=3))
    await broker.start()
    kafka = KafkaSettings(bootstrap=broker.bootstrap, partitions=3)
    envelopes = published(many_stories(12))
    await publish(kafka, envelopes)

    read = [envelope.id async for envelope in logged_events(kafka, TOPICS)]
    none = [envelope async for envelope in logged_events(kafka, ["key.changed"])]
    await broker.stop()

    assert sorted(read) == sorted(envelope.id for envelope in envelopes)
    assert none == []


def test_a_rebuild_tells_the_difference_and_is_adopted_on_request(
    log: list[Envelope], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUIYIN_DATA_DIR", str(tmp_path / "data"))

    assert cli.run(["analytics", "rebuild", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["events"], told["equal"], told["adopted"]) == (len(log), False, False)
    assert told["differences"]

    assert cli.run(["analytics", "rebuild", "--adopt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["adopted"]

    assert cli.run(["analytics", "rebuild"]) == 0
    assert "the live rollup equals the log" in capsys.readouterr().out
