"""The desk over HTTP: verbs, queues, timelines, who sees what, and what is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from huiyin_contracts.people import PersonChanged
from huiyin_contracts.tickets import TicketProgressed
from huiyin_contracts.vocabulary import Target
from tests.desk.conftest import LABELS, NOON, attached, routed, scheduled, told_clock
from tests.support.service import ServiceDriver, pointers


async def do(client: httpx2.AsyncClient, verb: str, ticket_id: str = "t-1", **body: Any) -> httpx2.Response:
    """Do a verb; without a body when there is nothing to say."""
    return await client.post(f"/v1/tickets/{ticket_id}/{verb}", json=body or None)


async def steps(desk: ServiceDriver) -> list[str]:
    return [event.step.value for event in await desk.published(TicketProgressed)]


async def test_the_six_steps_leave_their_events_and_their_timeline(desk: ServiceDriver) -> None:
    await desk.deliver(routed())

    for verb, body in (
        ("accept", {}),
        ("answer", {"text": "抱歉，我们马上处理。"}),
        ("resolve", {"summary": "餐费已退还。"}),
        ("review", {"satisfied": True, "note": "客户满意"}),
    ):
        answer = await do(desk.client, verb, **body)
        assert answer.status_code == 200, answer.text

    assert answer.json()["status"] == "archived"
    assert await steps(desk) == ["accepted", "answered", "resolved", "reviewed", "archived"]
    versions = [event.version for event in await desk.published(TicketProgressed)]
    assert versions == [2, 3, 4, 5, 6]
    timeline = (await desk.client.get("/v1/tickets/t-1/timeline")).json()["items"]
    assert [entry["kind"] for entry in timeline] == [
        "received",
        "classified",
        "dispatched",
        "accepted",
        "answered",
        "resolved",
        "reviewed",
        "archived",
    ]
    assert timeline[4]["text"] == "抱歉，我们马上处理。"
    assert timeline[4]["actor"] == "operator"


async def test_an_unsatisfied_review_reopens(desk: ServiceDriver) -> None:
    await desk.deliver(routed())
    await do(desk.client, "accept")
    await do(desk.client, "resolve", summary="done")

    answer = await do(desk.client, "review", satisfied=False, note="not really")

    assert answer.json()["status"] == "reopened"
    assert answer.json()["cycle"] == 2
    assert (await steps(desk))[-2:] == ["reviewed", "reopened"]


async def test_archive_without_review_is_a_conflict_that_names_the_allowed_verbs(desk: ServiceDriver) -> None:
    await desk.deliver(routed())
    await do(desk.client, "accept")

    answer = await do(desk.client, "archive")

    assert answer.status_code == 409
    assert answer.json()["status"] == 409
    assert answer.json()["allowed"] == ["answer", "assign", "merge", "pause", "resolve", "return"]
    assert await steps(desk) == ["accepted"]


async def test_repeating_a_verb_changes_nothing_and_keeps_the_etag(desk: ServiceDriver) -> None:
    await desk.deliver(routed())
    first = await do(desk.client, "accept")

    again = await do(desk.client, "accept")

    assert again.status_code == 200
    assert again.headers["ETag"] == first.headers["ETag"]
    assert await steps(desk) == ["accepted"]


async def test_a_stale_etag_is_refused_and_the_fresh_one_taken(desk: ServiceDriver) -> None:
    await desk.deliver(routed())
    stale = (await desk.client.get("/v1/tickets/t-1")).headers["ETag"]
    fresh = (await do(desk.client, "accept")).headers["ETag"]

    refused = await desk.client.post(
        "/v1/tickets/t-1/answer", json={"text": "hello"}, headers={"If-Match": stale}
    )
    taken = await desk.client.post(
        "/v1/tickets/t-1/answer", json={"text": "hello"}, headers={"If-Match": fresh}
    )

    assert refused.status_code == 412
    assert taken.status_code == 200
    assert taken.headers["ETag"] != fresh
    assert await steps(desk) == ["accepted", "answered"]


@pytest.mark.parametrize(
    ("verb", "body", "place"),
    [
        ("return", {}, "#"),
        ("return", {"reason": ""}, "#/reason"),
        ("return", {"reason": "x" * 1001}, "#/reason"),
        ("answer", {"text": "   "}, "#/text"),
        ("answer", {"text": "hi", "status": "archived"}, "#/status"),
        ("assign", {"assignee": 7}, "#/assignee"),
        ("review", {"satisfied": "maybe"}, "#/satisfied"),
        ("pause", {"reason": "x", "until": "tomorrow"}, "#/until"),
        ("pause", {"reason": "x", "until": "9999-12-31T20:00:00-12:00"}, "#/until"),
        ("merge", {}, "#"),
        ("accept", {"reason": "because"}, "#/reason"),
        ("resume", {"until": "now"}, "#/until"),
        ("archive", {"satisfied": True}, "#/satisfied"),
    ],
)
async def test_a_broken_body_is_named(
    desk: ServiceDriver, verb: str, body: dict[str, Any], place: str
) -> None:
    await desk.deliver(routed())

    answer = await desk.client.post(f"/v1/tickets/t-1/{verb}", json=body)

    assert answer.status_code == 422
    assert any(found.startswith(place) for found in pointers(answer))
    assert await steps(desk) == []


async def test_an_unknown_ticket_is_a_404(desk: ServiceDriver) -> None:
    for call in (
        desk.client.get("/v1/tickets/none"),
        desk.client.get("/v1/tickets/none/timeline"),
        do(desk.client, "accept", "none"),
    ):
        answer = await call

        assert answer.status_code == 404
        assert answer.json()["type"].endswith("/ticket-not-found")


async def test_another_departments_ticket_does_not_exist_for_a_department(desk: ServiceDriver) -> None:
    await desk.deliver(routed(), routed("t-2", department="product"))
    product = await desk.key("department", departments=["product"])

    listed = await product.get("/v1/tickets")

    assert [item["id"] for item in listed.json()["items"]] == ["t-2"]
    assert (await product.get("/v1/tickets", params={"department": "logistics"})).json()["items"] == []
    for call in (
        product.get("/v1/tickets/t-1"),
        do(product, "accept"),
        do(product, "merge", "t-2", into="t-1"),
    ):
        answer = await call
        assert answer.status_code in {404, 422}
        assert "logistics" not in answer.text
    assert await steps(desk) == []


async def test_a_department_works_and_customer_service_reviews(desk: ServiceDriver) -> None:
    await desk.deliver(routed())
    department = await desk.key("department", departments=["logistics"], name="logistics-desk")
    await do(department, "accept")
    await do(department, "resolve", summary="done")

    refused = await do(department, "review", satisfied=True)
    service = await desk.key("customer_service")
    reviewed = await do(service, "review", satisfied=True)

    assert refused.status_code == 403
    assert refused.json()["scope"] == "tickets:review"
    assert reviewed.json()["status"] == "archived"
    [accepted, *_] = await desk.published(TicketProgressed)
    assert accepted.actor == "logistics-desk"


async def test_a_ticket_is_assigned_to_people_the_directory_knows(desk: ServiceDriver) -> None:
    await desk.deliver(
        routed(), PersonChanged(person_id="p-1", name="李雷", unit="logistics", revision=1, changed_at=NOON)
    )

    unknown = await do(desk.client, "assign", assignee="p-9")
    known = await do(desk.client, "assign", assignee="p-1")

    assert unknown.status_code == 422
    assert known.json()["assignee"] == "p-1"
    found = await desk.client.get("/v1/tickets", params={"assignee": "p-1"})
    assert [item["id"] for item in found.json()["items"]] == ["t-1"]


async def test_somebody_who_has_left_gets_no_tickets(desk: ServiceDriver) -> None:
    here = PersonChanged(person_id="p-1", name="李雷", revision=1, changed_at=NOON)
    left = PersonChanged(person_id="p-1", name="李雷", revision=2, active=False, changed_at=NOON)
    await desk.deliver(routed(), left, here)

    assert (await do(desk.client, "assign", assignee="p-1")).status_code == 422


async def test_the_queue_shows_the_most_pressing_first_then_what_is_due_next(desk: ServiceDriver) -> None:
    await desk.deliver(
        routed("t-late", priority=5),
        routed("t-soon", priority=5),
        routed("t-urgent", priority=1),
        routed("t-quiet", priority=5),
        scheduled(told_clock(Target.RESOLUTION, NOON + timedelta(hours=48)), ticket_id="t-late"),
        scheduled(told_clock(Target.RESOLUTION, NOON + timedelta(hours=2)), ticket_id="t-soon"),
    )

    queue = (await desk.client.get("/v1/tickets", params={"department": "logistics"})).json()["items"]

    assert [item["id"] for item in queue] == ["t-urgent", "t-soon", "t-late", "t-quiet"]
    assert queue[1]["due_at"] == "2026-11-20T06:00:00Z"
    assert queue[3]["due_at"] is None


async def test_the_queue_pages_without_gaps_or_repeats(desk: ServiceDriver) -> None:
    await desk.deliver(*(routed(f"t-{number:02}", priority=number % 3) for number in range(11)))
    seen: list[str] = []
    params = {"limit": "4"}

    while True:
        answer = (await desk.client.get("/v1/tickets", params=params)).json()
        seen += [item["id"] for item in answer["items"]]
        if answer["next"] is None:
            break
        params["cursor"] = answer["next"]

    assert len(seen) == len(set(seen)) == 11


async def test_filters_narrow_and_unknown_ones_are_refused(desk: ServiceDriver) -> None:
    await desk.deliver(routed(), routed("t-2", store="beijing-02", labels=LABELS))
    await do(desk.client, "accept", "t-2")

    by_store = await desk.client.get("/v1/tickets", params={"store": "beijing-02"})
    by_status = await desk.client.get("/v1/tickets", params={"status": "dispatched"})
    misspelt = await desk.client.get("/v1/tickets", params={"departement": "logistics"})
    unknown = await desk.client.get("/v1/tickets", params={"status": "closed"})

    assert [item["id"] for item in by_store.json()["items"]] == ["t-2"]
    assert [item["id"] for item in by_status.json()["items"]] == ["t-1"]
    assert misspelt.status_code == unknown.status_code == 422


async def test_a_merge_moves_the_feedback_and_names_its_target(desk: ServiceDriver) -> None:
    await desk.deliver(routed(), routed("t-2"))

    merged = await do(desk.client, "merge", into="t-2")
    await desk.deliver(attached("f-9", ticket_id="t-1"))

    assert merged.json()["merged_into"] == "t-2"
    target = (await desk.client.get("/v1/tickets/t-2")).json()
    assert sorted(target["feedback_ids"]) == ["f-9", "t-1", "t-2"]
    [event, *_] = await desk.published(TicketProgressed)
    assert (event.step, event.into) == ("merged", "t-2")


async def test_merges_in_opposite_directions_at_once_end_in_one_merge(desk: ServiceDriver) -> None:
    await desk.deliver(routed(), routed("t-2"))

    answers = await asyncio.gather(
        do(desk.client, "merge", into="t-2"), do(desk.client, "merge", "t-2", into="t-1")
    )

    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_two_who_act_on_one_version_at_once_act_one_after_the_other(desk: ServiceDriver) -> None:
    await desk.deliver(routed())
    tag = (await do(desk.client, "accept")).headers["ETag"]

    answers = await asyncio.gather(
        *(
            desk.client.post("/v1/tickets/t-1/answer", json={"text": text}, headers={"If-Match": tag})
            for text in ("first", "second")
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert await steps(desk) == ["accepted", "answered"]


@pytest.mark.parametrize("into", ["t-1", "nowhere"])
async def test_a_merge_into_itself_or_into_nothing_is_refused(desk: ServiceDriver, into: str) -> None:
    await desk.deliver(routed())

    answer = await do(desk.client, "merge", into=into)

    assert answer.status_code == 422
    assert (await desk.client.get("/v1/tickets/t-1")).json()["status"] == "dispatched"


async def test_a_post_without_a_body_needs_no_content_type(desk: ServiceDriver) -> None:
    await desk.deliver(routed())

    assert (await desk.client.post("/v1/tickets/t-1/accept")).status_code == 200
    assert (await desk.client.post("/v1/tickets/t-1/accept", json={})).status_code == 200
