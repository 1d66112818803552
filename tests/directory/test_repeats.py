"""Requests that are sent again because the first answer was lost."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select

from huiyin_chassis.auth import sha256_of
from huiyin_chassis.clock import utc_now
from huiyin_chassis.tables import idempotency
from huiyin_contracts.people import KeyChanged, PersonChanged, UnitChanged
from tests.support.service import ServiceDriver

STORE = {"slug": "shanghai-01", "kind": "store", "names": {"zh-CN": "上海一店"}}
PERSON = {"name": "李雷", "unit": "logistics"}
KEYED = {"Idempotency-Key": "try-1"}


@pytest.mark.parametrize(("path", "body"), [("/v1/units", STORE), ("/v1/people", PERSON)])
async def test_a_repeated_making_gives_the_first_answer_and_makes_nothing(
    directory: ServiceDriver, path: str, body: dict[str, Any]
) -> None:
    seeded = len(await directory.published(UnitChanged))

    first = await directory.client.post(path, json=body, headers=KEYED)
    again = await directory.client.post(path, json=body, headers=KEYED)

    assert (first.status_code, first.headers["ETag"]) == (201, '"1"')
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    made = [*await directory.published(UnitChanged), *await directory.published(PersonChanged)]
    assert len(made) == seeded + 1


async def test_without_an_idempotency_key_the_same_name_is_another_person(directory: ServiceDriver) -> None:
    for _ in range(2):
        await directory.client.post("/v1/people", json=PERSON)

    assert len(await directory.published(PersonChanged)) == 2


async def test_a_person_asked_for_by_many_at_once_is_made_once(directory: ServiceDriver) -> None:
    answers = await asyncio.gather(
        *(directory.client.post("/v1/people", json=PERSON, headers=KEYED) for _ in range(8))
    )

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len(await directory.published(PersonChanged)) == 1


async def test_an_idempotency_key_opens_no_door_that_is_shut(directory: ServiceDriver) -> None:
    await directory.client.post("/v1/people", json=PERSON, headers=KEYED)
    analyst = await directory.key("analyst")

    assert (await analyst.post("/v1/people", json=PERSON, headers=KEYED)).status_code == 403
    assert (await directory.anonymous().post("/v1/people", json=PERSON, headers=KEYED)).status_code == 401


async def test_who_may_no_longer_make_people_gets_no_old_answer(directory: ServiceDriver) -> None:
    operator = await directory.key("operator", key_id="ops")
    digest = sha256_of(operator.headers["Authorization"].removeprefix("Bearer "))
    await operator.post("/v1/people", json=PERSON, headers=KEYED)
    demoted = KeyChanged(
        key_id="ops", name="ops", sha256=digest, scopes=(), departments=(), revision=2, changed_at=utc_now()
    )
    await directory.deliver(demoted)

    assert (await operator.post("/v1/people", json=PERSON, headers=KEYED)).status_code == 403


async def test_the_secret_of_a_new_key_is_remembered_for_nobody(directory: ServiceDriver) -> None:
    first = await directory.client.post("/v1/api-keys", json={"name": "wechat"}, headers=KEYED)
    again = await directory.client.post("/v1/api-keys", json={"name": "wechat"}, headers=KEYED)

    assert first.json()["key"] != again.json()["key"]
    assert len(await directory.published(KeyChanged)) == 2
    async with directory.database.reading() as tx:
        assert await tx.scalar(select(func.count()).select_from(idempotency)) == 0
