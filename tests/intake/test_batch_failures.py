"""A batch on the day when something breaks: one item, the database, or the room in front of it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from huiyin_chassis.db import Database
from huiyin_chassis.writer import GroupWriter
from huiyin_contracts.feedback import FeedbackReceived
from huiyin_intake.at_once import receive_new_feedback
from huiyin_intake.usecases import receive_feedback
from tests.chassis.web import out_of_reach
from tests.intake.test_api import post, stored
from tests.support.service import ServiceDriver

BATCH = "/v1/feedback/batch"
# A rule of the database that no check at the door foresees.
ONE_CALL = text("CREATE UNIQUE INDEX one_call ON feedback (channel) WHERE channel = 'hotline'")
CHANNELS = {"call": "hotline"}


def items(*kinds: str) -> dict[str, Any]:
    """Return a batch of posts of these kinds; calls come in by the hotline."""
    posts = [
        post(external_id=f"b-{place}", kind=kind, channel=CHANNELS.get(kind, "wechat"))
        for place, kind in enumerate(kinds)
    ]
    return {"items": posts}


def write_through(intake: ServiceDriver, database: Database, *, bound: int = 4096) -> GroupWriter[Any, Any]:
    """Let intake write to a database with room for so many waiting items."""
    writer = GroupWriter(database, receive_feedback, bound=bound)
    intake.runtime._writers[receive_feedback, receive_new_feedback] = writer
    return writer


def statuses(answered: Sequence[dict[str, Any]]) -> list[int | str]:
    """Return what each item was told: received, or the status of its error."""
    return [item["error"]["status"] if "error" in item else item["status"] for item in answered]


async def test_an_item_that_cannot_be_stored_costs_its_neighbours_nothing(intake: ServiceDriver) -> None:
    async with intake.database.writing() as tx:
        await tx.execute(ONE_CALL)

    answer = await intake.client.post(BATCH, json=items("message", "call", "call", "review"))

    assert answer.status_code == 202
    told = answer.json()["items"]
    assert statuses(told) == ["received", "received", 500, "received"]
    assert "one_call" not in answer.text
    ids = [event.feedback_id for event in await intake.published(FeedbackReceived)]
    assert sorted(ids) == sorted(item["id"] for item in told if "id" in item)


async def test_an_item_that_nothing_has_stored_is_told_as_failed(
    intake: ServiceDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def store_nothing(*_: object) -> int:
        return 0

    async def leave_all(_commit: object, submissions: Sequence[object]) -> list[None]:
        return [None] * len(submissions)

    monkeypatch.setattr("huiyin_intake.usecases._ADD.write", store_nothing)
    monkeypatch.setattr("huiyin_intake.api.receive_new_feedback", leave_all)

    answer = await intake.client.post(BATCH, json=items("message"))

    assert statuses(answer.json()["items"]) == [500]
    assert await intake.published(FeedbackReceived) == []


async def test_an_item_against_the_rules_and_one_that_cannot_be_stored_are_told_apart(
    intake: ServiceDriver,
) -> None:
    async with intake.database.writing() as tx:
        await tx.execute(ONE_CALL)

    answer = await intake.client.post(BATCH, json=items("gossip", "call", "call"))

    assert statuses(answer.json()["items"]) == [422, "received", 500]


async def test_a_batch_is_a_503_when_the_database_is_out_of_reach(intake: ServiceDriver) -> None:
    async with out_of_reach() as nowhere:
        write_through(intake, nowhere)

        answer = await intake.client.post(BATCH, json=items("message", "gossip", "review"))

    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert await stored(intake) == 0


async def test_a_batch_is_a_503_when_nothing_of_it_finds_room(intake: ServiceDriver) -> None:
    await write_through(intake, intake.database).close()

    answer = await intake.client.post(BATCH, json=items("message", "review"))

    assert answer.status_code == 503
    assert await stored(intake) == 0


async def test_what_found_room_is_told_as_stored_and_the_rest_to_come_again(intake: ServiceDriver) -> None:
    writer = write_through(intake, intake.database, bound=2)

    answer = await intake.client.post(BATCH, json=items("message", "review", "survey", "gossip"))
    await writer.close()

    assert answer.status_code == 202
    assert statuses(answer.json()["items"]) == ["received", "received", 503, 422]
    assert await stored(intake) == 2


async def test_a_batch_sent_again_after_a_full_hour_loses_and_doubles_nothing(intake: ServiceDriver) -> None:
    batch = items("message", "review", "survey")
    write_through(intake, intake.database, bound=2)
    first = (await intake.client.post(BATCH, json=batch)).json()["items"]
    write_through(intake, intake.database)

    again = (await intake.client.post(BATCH, json=batch)).json()["items"]

    assert [item["duplicate"] for item in again] == [True, True, False]
    assert [item["id"] for item in again[:2]] == [item["id"] for item in first[:2]]
    assert await stored(intake) == 3


async def test_a_batch_whose_items_are_all_unfit_is_answered_item_by_item(intake: ServiceDriver) -> None:
    answer = await intake.client.post(BATCH, json=items("gossip", "rumour"))

    assert answer.status_code == 202
    assert statuses(answer.json()["items"]) == [422, 422]


async def test_a_batch_with_half_a_character_behind_a_backslash_is_refused(intake: ServiceDriver) -> None:
    body = json.dumps(items("message", "review")).replace("}]}", ', "extra": {"a": "\\\\ud83d\\ude00"}}]}')

    answer = await intake.client.post(BATCH, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/items/1/extra/a"]
    assert await stored(intake) == 0
