"""Kafka's own command-line tools, unchanged, against the embedded broker."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from huiyin_broker import Broker
from tests.broker.wire import WireClient, produce, record_batch
from tests.support.kafka import JavaTool

RunTool = Callable[..., Awaitable[str]]
TOOLS = "org.apache.kafka.tools."
TOPICS = TOOLS + "TopicCommand"
GROUPS = TOOLS + "consumer.group.ConsumerGroupCommand"
CONSOLE_PRODUCER = TOOLS + "ConsoleProducer"
CONSOLE_CONSUMER = TOOLS + "consumer.ConsoleConsumer"


@pytest.fixture
def run(broker: Broker, java_tool: JavaTool) -> RunTool:
    """Run a tool to its end and give what it printed; the test fails when its exit code is not 0."""

    async def run_tool(tool: str, *arguments: str, stdin: str | None = None) -> str:
        address = ("--bootstrap-server", broker.bootstrap)
        done = await asyncio.to_thread(java_tool, tool, *address, *arguments, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run_tool


async def fill(broker: Broker, topic: str, count: int) -> None:
    async with WireClient(broker) as client:
        for number in range(count):
            await produce(client, topic, record_batch(f"{number}".encode()))


async def test_kafka_topics_makes_lists_describes_and_deletes(run: RunTool, broker: Broker) -> None:
    await run(TOPICS, "--create", "--topic", "t", "--partitions", "4", "--config", "retention.ms=5000")
    described = await run(TOPICS, "--describe", "--topic", "t")
    await run(TOPICS, "--delete", "--topic", "t")

    assert "PartitionCount: 4" in described
    assert "retention.ms=5000" in described
    assert described.count("Leader: 1") == 4
    assert (await run(TOPICS, "--list")).split() == []


async def test_the_console_producer_is_read_by_the_console_consumer(run: RunTool, broker: Broker) -> None:
    lines = "".join(f"line {number}\n" for number in range(20))
    await run(CONSOLE_PRODUCER, "--topic", "t", stdin=lines)

    printed = await run(
        CONSOLE_CONSUMER, "--topic", "t", "--group", "g", "--from-beginning", "--max-messages", "20"
    )

    assert sorted(printed.splitlines()) == sorted(lines.splitlines())


async def test_the_verifiable_clients_agree(run: RunTool, broker: Broker) -> None:
    printed = await run(TOOLS + "VerifiableProducer", "--topic", "t", "--max-messages", "300")
    produced = json.loads(printed.splitlines()[-1])

    read = await run(
        TOOLS + "VerifiableConsumer",
        *("--topic", "t", "--group-id", "v", "--max-messages", "300", "--reset-policy", "earliest"),
    )

    assert (produced["sent"], produced["acked"]) == (300, 300)
    events = [json.loads(line) for line in read.splitlines()]
    assert sum(event["count"] for event in events if event["name"] == "records_consumed") == 300
    assert all(event["success"] for event in events if event["name"] == "offsets_committed")


async def test_kafka_consumer_groups_describes_resets_and_deletes(run: RunTool, broker: Broker) -> None:
    await fill(broker, "t", 10)
    await run(CONSOLE_CONSUMER, "--topic", "t", "--group", "g", "--from-beginning", "--max-messages", "4")

    described = await run(GROUPS, "--describe", "--group", "g")
    reset = await run(
        GROUPS, "--reset-offsets", "--group", "g", "--topic", "t:0", "--to-offset", "7", "--execute"
    )
    after = await run(GROUPS, "--describe", "--group", "g")
    deleted = await run(GROUPS, "--delete", "--group", "g")

    assert row(described, "t", "0")[3:6] == ["4", "10", "6"]
    assert "7" in reset
    assert row(after, "t", "0")[3:6] == ["7", "10", "3"]
    assert "successful" in deleted


def row(table: str, topic: str, partition: str) -> list[str]:
    rows = [line.split() for line in table.splitlines()]
    return next(cells for cells in rows if cells[1:3] == [topic, partition])


async def test_get_offsets_knows_first_last_and_times(run: RunTool, broker: Broker) -> None:
    await fill(broker, "t", 10)

    latest = await run(TOOLS + "GetOffsetShell", "--topic", "t", "--partitions", "0")
    earliest = await run(TOOLS + "GetOffsetShell", "--topic", "t", "--partitions", "0", "--time", "-2")

    assert latest.strip() == "t:0:10"
    assert earliest.strip() == "t:0:0"


async def test_producer_perf_has_every_record_acknowledged(run: RunTool, broker: Broker) -> None:
    size = ("--num-records", "5000", "--record-size", "600", "--throughput", "-1")

    printed = await run(TOOLS + "ProducerPerformance", "--topic", "t", *size)

    assert "5000 records sent" in printed
    ends = await run(TOOLS + "GetOffsetShell", "--topic", "t")
    assert sum(int(line.rpartition(":")[2]) for line in ends.split()) == 5000
