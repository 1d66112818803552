"""The ways that are not straight: breached, reopened, returned, sent twice, replayed."""

import asyncio
from typing import Any

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.journeys.conftest import clocks, do
from tests.support.suite import Customer, Suite, eventually


def test_a_deadline_that_passes_is_breached_once_and_the_ticket_says_so(
    client: httpx2.Client, customer: Customer
) -> None:
    shipped = client.get("/v1/policies").json()
    quick = {
        "ordinary": {"response": "PT2S", "resolution": "PT4S"},
        "urgent": {"response": "PT2S", "resolution": "PT4S"},
    }
    put = client.put("/v1/policies", json=quick)
    assert put.status_code == 200, put.text
    try:
        feedback_id = customer.says("快递三天没动静，物流太慢了。")
        customer.ticket(feedback_id)

        def both_breached() -> bool:
            found = clocks(client, feedback_id)
            missed = [name for name, clock in found.items() if clock["state"] == "breached"]
            return len({"response", "resolution"} & set(missed)) == 2

        assert eventually(both_breached)
    finally:
        assert client.put("/v1/policies", json={name: shipped[name] for name in quick}).status_code == 200

    def written() -> bool:
        timeline = client.get(f"/v1/tickets/{feedback_id}/timeline").json()["items"]
        return [entry["kind"] for entry in timeline].count("sla_breached") == 2

    assert eventually(written)
    found = clocks(client, feedback_id)["response"]
    assert found["breached_at"] == found["due_at"]


def test_a_reopened_ticket_gets_a_new_cycle_of_clocks(client: httpx2.Client, customer: Customer) -> None:
    feedback_id = customer.says("打印机卡纸，修了还是卡。")
    customer.ticket(feedback_id)
    do(client, feedback_id, "accept")
    do(client, feedback_id, "resolve", summary="换了搓纸轮")

    reopened = do(client, feedback_id, "review", satisfied=False, note="还是卡")

    assert (reopened["status"], reopened["cycle"]) == ("reopened", 2)

    def second_cycle() -> bool:
        found = clocks(client, feedback_id).get("resolution", {})
        return (found.get("cycle"), found.get("state")) == (2, "running")

    assert eventually(second_cycle)
    do(client, feedback_id, "resolve", summary="换了整机")
    assert do(client, feedback_id, "review", satisfied=True)["status"] == "archived"


def test_a_returned_ticket_is_routed_anew_and_its_clocks_run_on(
    client: httpx2.Client, customer: Customer
) -> None:
    feedback_id = customer.says("外卖送来汤全洒了，少送一份米饭。")
    ticket = customer.ticket(feedback_id)

    def response_due() -> str | None:
        due: str | None = clocks(client, feedback_id).get("response", {}).get("due_at")
        return due

    promised = eventually(response_due)
    do(client, feedback_id, "return", reason="不是我们部门的")

    def on_its_way() -> bool:
        outcome = client.get(f"/v1/classifications/{feedback_id}").json()["outcome"]
        here = client.get(f"/v1/tickets/{feedback_id}").json()
        return bool(outcome == "triage" or here["department"] != ticket["department"])

    assert eventually(on_its_way)
    if client.get(f"/v1/classifications/{feedback_id}").json()["outcome"] == "triage":
        decided = client.post(f"/v1/triage/{feedback_id}/decide", json={"department": "customer-service"})
        assert decided.status_code == 200, decided.text

    def moved() -> bool:
        here = client.get(f"/v1/tickets/{feedback_id}").json()
        return (here["status"], here["department"] != ticket["department"]) == ("dispatched", True)

    assert eventually(moved)
    assert clocks(client, feedback_id)["response"]["due_at"] == promised


def everything(client: httpx2.Client, feedback_id: str) -> dict[str, Any]:
    """Return all that the public interfaces say of a case."""
    paths = {
        "feedback": f"/v1/feedback/{feedback_id}",
        "classification": f"/v1/classifications/{feedback_id}",
        "ticket": f"/v1/tickets/{feedback_id}",
        "timeline": f"/v1/tickets/{feedback_id}/timeline",
        "clocks": f"/v1/clocks?ticket_id={feedback_id}",
    }
    return {name: client.get(path).json() for name, path in paths.items()}


@pytest.fixture
def settled(client: httpx2.Client, customer: Customer) -> str:
    """Give a case that was answered and has come to rest."""
    feedback_id = customer.says("路由器老是掉线，重启也没用。")
    customer.ticket(feedback_id)
    do(client, feedback_id, "accept")
    do(client, feedback_id, "answer", text="请升级固件")

    def answered() -> bool:
        return clocks(client, feedback_id).get("response", {}).get("state") == "met"

    assert eventually(answered)
    return feedback_id


def test_the_same_post_again_changes_nothing(client: httpx2.Client, settled: str, suite: Suite) -> None:
    before = everything(client, settled)
    stored = before["feedback"]
    keys = ("channel", "kind", "external_id", "occurred_at", "text")

    again = client.post("/v1/feedback", json={key: stored[key] for key in keys})

    assert (again.json()["id"], again.json()["duplicate"]) == (settled, True)
    assert everything(client, settled) == before


async def published_again(bootstrap: str, topics: list[str]) -> int:
    """Send every event of some topics once more, as a relay does after a crash; return how many there were."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await consumer.start()
    await producer.start()
    sent = 0
    try:
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(12)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning()
        ends = await consumer.end_offsets(partitions)
        while [each for each in partitions if await consumer.position(each) < ends[each]]:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                        await producer.send_and_wait(
                            record.topic, record.value, key=record.key, headers=list(record.headers)
                        )
                        sent += 1
    finally:
        await consumer.stop()
        await producer.stop()
    return sent


def test_every_event_delivered_again_changes_nothing(
    client: httpx2.Client, settled: str, suite: Suite
) -> None:
    before = everything(client, settled)

    sent = asyncio.run(
        published_again(
            suite.bootstrap, ["feedback.received", "ticket.routed", "ticket.progressed", "sla.scheduled.v2"]
        )
    )

    assert sent > 0
    report = suite.verify()
    bad = [check for check in report["checks"] if check["ok"] is False and "doubled" not in check["name"]]
    assert everything(client, settled) == before
    assert [check for check in bad if "log" not in check["name"]] == []


def test_a_replay_from_the_beginning_changes_nothing(
    client: httpx2.Client, settled: str, suite: Suite
) -> None:
    before = everything(client, settled)

    done = suite.command("events", "replay", "sla", "--json")

    assert done.returncode == 0, done.stderr
    suite.verify()
    assert everything(client, settled) == before
