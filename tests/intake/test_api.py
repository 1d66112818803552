"""The front door: what it takes, what it refuses, and that it stores each thing once."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from huiyin_contracts.feedback import FeedbackReceived
from huiyin_eventbus.headers import from_text
from huiyin_eventbus.tracing import trace_id
from huiyin_intake.models import feedback
from tests.support.service import ServiceDriver, pointers


def post(**changes: Any) -> dict[str, Any]:
    """Return a valid post; a change to None leaves the field out."""
    full = {
        "channel": "wechat",
        "kind": "message",
        "external_id": "m-1",
        "occurred_at": "2026-11-22T08:15:30+08:00",
        "text": "外卖晚了一个多小时，汤还洒了一半。",
        **changes,
    }
    return {name: value for name, value in full.items() if value is not None}


async def stored(intake: ServiceDriver) -> int:
    async with intake.database.reading() as tx:
        return (await tx.execute(select(func.count()).select_from(feedback))).scalar_one()


async def test_a_post_is_stored_with_its_event_before_it_is_answered(intake: ServiceDriver) -> None:
    answer = await intake.client.post("/v1/feedback", json=post(nps=3, rating={"value": 2, "max": 5}))

    assert answer.status_code == 202
    assert answer.json() == {"id": answer.json()["id"], "status": "received", "duplicate": False}
    [event] = await intake.published(FeedbackReceived)
    assert event.feedback_id == answer.json()["id"]
    assert event.text == "外卖晚了一个多小时，汤还洒了一半。"
    assert event.nps == 3
    read = await intake.client.get(f"/v1/feedback/{event.feedback_id}")
    assert read.json()["channel"] == "wechat"
    assert read.json()["occurred_at"] == "2026-11-22T00:15:30Z"


async def test_the_same_natural_key_is_one_feedback_and_the_first_content_stays(
    intake: ServiceDriver,
) -> None:
    first = await intake.client.post("/v1/feedback", json=post())

    again = await intake.client.post("/v1/feedback", json=post(text="something else"))

    assert again.status_code == 202
    assert again.json() == {**first.json(), "duplicate": True}
    assert len(await intake.published(FeedbackReceived)) == 1
    read = await intake.client.get(f"/v1/feedback/{first.json()['id']}")
    assert read.json()["text"] == "外卖晚了一个多小时，汤还洒了一半。"


async def test_new_posts_repeats_and_claims_that_share_a_group_are_told_apart(intake: ServiceDriver) -> None:
    first = await intake.client.post("/v1/feedback", json=post())
    claim = {"Idempotency-Key": "try-1"}

    repeat, new, twin, claimed = await asyncio.gather(
        intake.client.post("/v1/feedback", json=post()),
        intake.client.post("/v1/feedback", json=post(external_id="m-2")),
        intake.client.post("/v1/feedback", json=post(external_id="m-2")),
        intake.client.post("/v1/feedback", json=post(external_id="m-3"), headers=claim),
    )

    assert repeat.json() == {**first.json(), "duplicate": True}
    assert new.json()["id"] == twin.json()["id"]
    assert [each.json()["duplicate"] for each in (new, twin, claimed)].count(True) == 1
    told = [event.feedback_id for event in await intake.published(FeedbackReceived)]
    assert sorted(told) == sorted(each.json()["id"] for each in (first, new, claimed))


@pytest.mark.parametrize("text", ['"}],\\"', "a\\u0041\tb\n", "𝄞 壶\u2028", "$1 '; --"])
async def test_a_text_is_stored_to_the_letter_for_its_readers_and_in_its_event(
    intake: ServiceDriver, text: str
) -> None:
    said = post(text=text, account=text, author={"id": "a", "name": text}, extra={"told": [1.50, text]})

    answer = await intake.client.post("/v1/feedback", json=said)

    [row] = await intake.outbox_rows(topic=FeedbackReceived.TYPE)
    event = FeedbackReceived.model_validate_json(row.payload)
    assert (event.text, event.account, event.extra) == (text, text, {"told": [1.5, text]})
    assert row.payload == event.model_dump_json().encode()
    async with intake.database.reading() as tx:
        [kept] = await tx.execute(select(feedback))
    assert kept.content.encode() == row.payload
    assert (kept.id, kept.account, kept.received_at) == (answer.json()["id"], text, event.received_at)
    assert (row.key, row.created_at >= event.received_at) == (kept.id, True)


async def test_another_account_or_channel_is_another_feedback(intake: ServiceDriver) -> None:
    for changes in ({}, {"account": "shop-2"}, {"channel": "weibo"}, {"external_id": "m-2"}):
        answer = await intake.client.post("/v1/feedback", json=post(**changes))

        assert answer.json()["duplicate"] is False

    assert await stored(intake) == 4


async def test_a_hundred_parallel_identical_posts_are_one_feedback(intake: ServiceDriver) -> None:
    answers = await asyncio.gather(*(intake.client.post("/v1/feedback", json=post()) for _ in range(100)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(not answer.json()["duplicate"] for answer in answers) == 1
    assert len(await intake.published(FeedbackReceived)) == 1


async def test_posts_that_share_a_commit_keep_their_own_traces(intake: ServiceDriver) -> None:
    traces = {f"m-{number}": f"{number:032x}" for number in range(1, 9)}

    await asyncio.gather(
        *(
            intake.client.post(
                "/v1/feedback",
                json=post(external_id=external_id),
                headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
            )
            for external_id, trace in traces.items()
        )
    )

    rows = await intake.outbox_rows(topic=FeedbackReceived.TYPE)
    events = [FeedbackReceived.model_validate_json(row.payload) for row in rows]
    told = [dict(from_text(row.headers))["traceparent"].decode() for row in rows]
    assert {event.external_id: trace_id(each) for event, each in zip(events, told, strict=True)} == traces


async def test_an_idempotency_key_gives_the_same_answer_again(intake: ServiceDriver) -> None:
    headers = {"Idempotency-Key": "try-1"}
    first = await intake.client.post("/v1/feedback", json=post(), headers=headers)

    again = await intake.client.post("/v1/feedback", json=post(), headers=headers)

    assert again.status_code == 202
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await stored(intake) == 1


async def test_an_idempotency_key_used_for_another_body_is_refused(intake: ServiceDriver) -> None:
    headers = {"Idempotency-Key": "try-1"}
    await intake.client.post("/v1/feedback", json=post(), headers=headers)

    other = await intake.client.post("/v1/feedback", json=post(external_id="m-2"), headers=headers)

    assert other.status_code == 422
    assert other.json()["type"].endswith("/idempotency-key-reused")
    assert await stored(intake) == 1


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"channel": None}, "#/channel"),
        ({"channel": "We Chat"}, "#/channel"),
        ({"kind": "telegram"}, "#/kind"),
        ({"external_id": ""}, "#/external_id"),
        ({"external_id": "x" * 257}, "#/external_id"),
        ({"occurred_at": "2026-11-22T08:15:30"}, "#/occurred_at"),
        ({"occurred_at": "yesterday"}, "#/occurred_at"),
        ({"occurred_at": "1999-12-31T23:59:59Z"}, "#/occurred_at"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "#/occurred_at"),
        ({"occurred_at": "9999-12-31T20:00:00-12:00"}, "#/occurred_at"),
        ({"text": 7}, "#/text"),
        ({"text": "x" * 100_001}, "#/text"),
        ({"nps": 11}, "#/nps"),
        ({"rating": {"value": 6, "max": 5}}, "#/rating"),
        ({"rating": {"value": 1}}, "#/rating/max"),
        ({"author": {"name": "王"}}, "#/author/id"),
        ({"attachments": [{"url": "file:///etc/passwd"}]}, "#/attachments/0/url"),
        ({"tags": ["x"] * 51}, "#/tags"),
        ({"lang": "not a language"}, "#/lang"),
        ({"department": "product"}, "#/department"),
        ({"text": "   "}, "#"),
    ],
)
async def test_a_broken_field_is_named_and_nothing_is_stored(
    intake: ServiceDriver, changes: dict[str, Any], place: str
) -> None:
    answer = await intake.client.post("/v1/feedback", json=post(**changes))

    assert answer.status_code == 422
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert place in pointers(answer)
    assert await stored(intake) == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"channel": "a", "channel": "b"}', 422),
        (b'{"text": "\\u0000"}', 422),
        (b'{"text": "\\ud800"}', 422),
        (b'{"extra": ' + b"[" * 40 + b"]" * 40 + b"}", 422),
        (b"{", 400),
        (b"\xff\xfe{}", 400),
        (b'{"nps": NaN}', 422),
        (b'{"nps": 1' + b"0" * 4300 + b"}", 422),
        (b'{"text": "' + b"x" * (256 * 1024) + b'"}', 413),
    ],
)
async def test_a_hostile_body_is_refused_and_nothing_is_stored(
    intake: ServiceDriver, body: bytes, status: int
) -> None:
    answer = await intake.client.post(
        "/v1/feedback", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == status
    assert "Traceback" not in answer.text
    assert await stored(intake) == 0


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/feedback/batch"])
async def test_without_room_nothing_is_taken_in_and_the_poster_is_told_when_to_come_back(
    intake: ServiceDriver, path: str
) -> None:
    body: dict[str, Any] = post() if path == "/v1/feedback" else {"items": [post()]}
    admission = intake.runtime.admission
    admission.measure(outbox_rows=intake.runtime.suite.outbox_limit)

    refused = await intake.client.post(path, json=body)
    admission.measure(outbox_rows=0)
    accepted = await intake.client.post(path, json=body)

    assert (refused.status_code, accepted.status_code) == (503, 202)
    assert int(refused.headers["retry-after"]) >= 1
    assert await stored(intake) == 1


async def test_a_batch_judges_each_item_alone(intake: ServiceDriver) -> None:
    items = [
        post(external_id="b-1"),
        post(external_id="b-2", nps=99),
        "junk",
        post(external_id="b-1"),
        post(),
    ]

    answer = await intake.client.post("/v1/feedback/batch", json={"items": items})

    assert answer.status_code == 202
    told = answer.json()["items"]
    assert [item["index"] for item in told] == [0, 1, 2, 3, 4]
    assert told[0]["duplicate"] is False
    assert told[1]["error"]["errors"][0]["pointer"] == "#/nps"
    assert "error" in told[2]
    assert told[3] == {**told[0], "index": 3, "duplicate": True}
    assert told[4]["status"] == "received"
    assert len(await intake.published(FeedbackReceived)) == 2


async def test_a_batch_of_a_thousand_is_taken_and_one_more_is_refused(intake: ServiceDriver) -> None:
    items = [post(external_id=f"n-{number}") for number in range(1001)]

    taken = await intake.client.post("/v1/feedback/batch", json={"items": items[:1000]})
    refused = await intake.client.post("/v1/feedback/batch", json={"items": items})

    assert sum(not item["duplicate"] for item in taken.json()["items"]) == 1000
    assert refused.status_code == 422
    assert await stored(intake) == 1000
    assert len(await intake.published(FeedbackReceived)) == 1000


async def test_a_batch_sent_again_is_all_duplicates(intake: ServiceDriver) -> None:
    batch = {"items": [post(external_id=f"n-{number}") for number in range(20)]}
    first = await intake.client.post("/v1/feedback/batch", json=batch)

    again = await intake.client.post("/v1/feedback/batch", json=batch)

    assert [item["id"] for item in again.json()["items"]] == [item["id"] for item in first.json()["items"]]
    assert all(item["duplicate"] for item in again.json()["items"])


async def test_the_list_finds_a_feedback_by_its_natural_key(intake: ServiceDriver) -> None:
    await intake.client.post("/v1/feedback", json=post())
    await intake.client.post("/v1/feedback", json=post(external_id="m-2"))

    found = await intake.client.get("/v1/feedback", params={"channel": "wechat", "external_id": "m-2"})

    assert [item["external_id"] for item in found.json()["items"]] == ["m-2"]
    assert found.json()["next"] is None


async def test_pages_hold_every_feedback_once_newest_first(intake: ServiceDriver) -> None:
    for number in range(7):
        await intake.client.post("/v1/feedback", json=post(external_id=f"p-{number}"))
    seen: list[str] = []
    cursor = None

    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        answer = (await intake.client.get("/v1/feedback", params=params)).json()
        seen += [item["external_id"] for item in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break

    assert seen == [f"p-{number}" for number in reversed(range(7))]


async def test_no_key_and_a_wrong_key_get_one_and_the_same_refusal(intake: ServiceDriver) -> None:
    none = await intake.anonymous().post("/v1/feedback", json=post())
    wrong = await intake.anonymous("guess").post("/v1/feedback", json=post())

    assert none.status_code == wrong.status_code == 401
    assert none.json()["detail"] == wrong.json()["detail"]
    assert await stored(intake) == 0


async def test_a_key_without_the_scope_is_refused_by_name(intake: ServiceDriver) -> None:
    department = await intake.key("department", departments=["product"])

    answer = await department.post("/v1/feedback", json=post())

    assert answer.status_code == 403
    assert answer.json()["scope"] == "feedback:write"


async def test_an_adapter_bound_to_no_department_reads_only_what_it_posted(intake: ServiceDriver) -> None:
    adapter, other = await intake.key("adapter", departments=[]), await intake.key("adapter", departments=[])
    mine = (await adapter.post("/v1/feedback", json=post())).json()["id"]

    assert (await adapter.get(f"/v1/feedback/{mine}")).status_code == 200
    assert (await other.get(f"/v1/feedback/{mine}")).status_code == 404
    assert (await other.get("/v1/feedback")).json()["items"] == []


async def test_unknown_feedback_is_a_404_that_tells_nothing_more(intake: ServiceDriver) -> None:
    answer = await intake.client.get("/v1/feedback/nobody")

    assert answer.status_code == 404
    assert json.loads(answer.content)["type"].endswith("/feedback-not-found")
