"""Receive, classify, dispatch, process, review, archive: an ordinary, an urgent and a complaint feedback."""

from datetime import datetime, timedelta
from typing import Any

import httpx2

from tests.journeys.conftest import clocks, do
from tests.support.suite import Customer, Suite, eventually


def span(clock: dict[str, Any]) -> timedelta:
    return datetime.fromisoformat(clock["due_at"]) - datetime.fromisoformat(clock["started_at"])


def started(client: httpx2.Client, ticket_id: str) -> dict[str, dict[str, Any]]:
    """Wait until all three clocks of a ticket are known and return them."""

    def all_three() -> dict[str, dict[str, Any]] | None:
        found = clocks(client, ticket_id)
        return found if {"classification", "response", "resolution"} <= found.keys() else None

    return eventually(all_three)


def test_an_ordinary_feedback_goes_from_the_door_to_the_archive(
    client: httpx2.Client, customer: Customer, suite: Suite
) -> None:
    feedback_id = customer.says("外卖送晚了一个多小时，饭都凉了，希望改进配送。")
    classification = customer.outcome(feedback_id)
    ticket = customer.ticket(feedback_id)
    assert classification["outcome"] == "ticket"
    assert classification["department"] == ticket["department"] == "logistics"
    assert ticket["nature"] == "complaint"
    begun = started(client, feedback_id)
    assert span(begun["response"]) == timedelta(hours=24)
    assert span(begun["resolution"]) == timedelta(hours=72)
    assert begun["classification"]["state"] == "met"

    do(client, feedback_id, "accept")
    do(client, feedback_id, "answer", text="非常抱歉，我们马上联系骑手。")
    do(client, feedback_id, "resolve", summary="餐费已退还，配送站已培训。")
    archived = do(client, feedback_id, "review", satisfied=True)

    assert archived["status"] == "archived"

    def all_met() -> bool:
        return {clock["state"] for clock in clocks(client, feedback_id).values()} == {"met"}

    assert eventually(all_met)
    timeline = client.get(f"/v1/tickets/{feedback_id}/timeline").json()["items"]
    kinds = [entry["kind"] for entry in timeline]
    steps = [
        "received",
        "classified",
        "dispatched",
        "accepted",
        "answered",
        "resolved",
        "reviewed",
        "archived",
    ]
    assert [kind for kind in kinds if kind in steps] == steps


def test_an_urgent_feedback_is_due_sooner_and_stands_in_front(
    client: httpx2.Client, customer: Customer
) -> None:
    feedback_id = customer.says("充电器冒烟起火了，差点烧到孩子，太危险了！")

    classification = customer.outcome(feedback_id)

    assert classification["labels"]["urgency"] == "urgent"
    begun = started(client, feedback_id)
    assert span(begun["response"]) == timedelta(hours=4)
    assert span(begun["resolution"]) == timedelta(hours=24)
    ticket = customer.ticket(feedback_id)
    queue = client.get("/v1/tickets", params={"department": ticket["department"]}).json()["items"]
    assert feedback_id in [item["id"] for item in queue if item["priority"] == queue[0]["priority"]]


def test_a_complaint_is_complex_and_counts_working_days(client: httpx2.Client, customer: Customer) -> None:
    feedback_id = customer.says("买到假货还拒绝退款，客服辱骂我，我要向12315投诉并起诉你们！")

    classification = customer.outcome(feedback_id)

    assert classification["labels"]["urgency"] == "complaint"
    assert classification["labels"]["complex"] is True
    begun = started(client, feedback_id)
    assert span(begun["response"]) == timedelta(hours=48)
    asked = {"policy": "complex", "target": "resolution", "start": begun["resolution"]["started_at"]}
    promised = client.get("/v1/deadlines", params=asked).json()
    assert datetime.fromisoformat(begun["resolution"]["due_at"]) == datetime.fromisoformat(promised["due_at"])
    assert sum("working day" in line or "workday" in line for line in promised["explanation"]) >= 5


def test_praise_is_thanked_and_makes_no_ticket(client: httpx2.Client, customer: Customer) -> None:
    feedback_id = customer.says(
        "服务特别好，店员热情周到，非常满意！", kind="review", channel="ecommerce_review"
    )

    assert customer.outcome(feedback_id)["outcome"] == "thanked"
    assert client.get(f"/v1/tickets/{feedback_id}").status_code == 404


def test_what_nobody_can_tell_waits_for_a_person_who_decides_in_one_call(
    client: httpx2.Client, customer: Customer
) -> None:
    feedback_id = customer.says("qwerty zxcv 8848 ...", channel="app_form", kind="form")
    assert customer.outcome(feedback_id)["outcome"] == "triage"
    waiting = client.get("/v1/triage").json()["items"]
    assert feedback_id in [item["feedback_id"] for item in waiting]

    decided = client.post(f"/v1/triage/{feedback_id}/decide", json={"department": "product"})

    assert decided.status_code == 200
    assert customer.ticket(feedback_id)["department"] == "product"
    assert customer.outcome(feedback_id)["outcome"] == "ticket"


def test_a_follow_up_joins_the_ticket_and_makes_no_second_one(
    client: httpx2.Client, customer: Customer
) -> None:
    author = {"id": "follow-up-author"}
    first = customer.says("空气净化器用了两天就坏了，一直异响。", author=author)
    customer.ticket(first)

    second = customer.says("客服电话也打不通。", author=author)

    outcome = customer.outcome(second)
    assert (outcome["outcome"], outcome["ticket_id"]) == ("attached", first)

    def joined() -> bool:
        ids: list[str] = client.get(f"/v1/tickets/{first}").json()["feedback_ids"]
        return ids == [first, second]

    assert eventually(joined)
