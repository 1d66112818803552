"""A request sent twice has one effect and one answer, whoever else uses the same key."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import pytest
from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import Column, Integer, MetaData, Table, Text, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from huiyin_chassis.auth import Principal, require, save_keys, sha256_of
from huiyin_chassis.db import Database, Writing
from huiyin_chassis.idempotency import (
    KEPT,
    Claim,
    ReadClaim,
    Repeat,
    StoredAnswer,
    find_answers,
    fingerprint_of,
    forget_answers,
    parse_key,
    remember,
    running,
)
from huiyin_chassis.problems import Refusal
from huiyin_chassis.runtime import Running
from huiyin_contracts.people import KeyChanged
from tests.chassis.web import ADMIN, app_of, client_of, opened, slug

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
metadata = MetaData()
units = Table(
    "unit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
)


class Unit(BaseModel):
    name: str


class UnitMade(Unit):
    id: int


Caller = Annotated[Principal, require("directory:manage")]
router = APIRouter()


@router.post("/v1/units", status_code=201)
async def make_unit(body: Unit, repeat: Repeat, tx: Writing, principal: Caller) -> UnitMade:
    if body.name == "refused":
        raise Refusal(409, "No such unit today.")
    await asyncio.sleep(0.05 if body.name == "slow" else 0)
    return await repeat.answer(201, await insert_unit(tx, body.name))  # type: ignore[return-value]  # the schema is for readers


Item = tuple[str, Claim | None]
Answer = UnitMade | StoredAnswer


async def insert_unit(tx: AsyncConnection, name: str) -> UnitMade:
    number = await tx.scalar(units.insert().values(name=name).returning(units.c.id))
    assert number is not None
    return UnitMade(id=number, name=name)


async def write_group(tx: AsyncConnection, items: Sequence[Item]) -> Sequence[Answer]:
    claims = [claim for _, claim in items if claim is not None]
    stored = await find_answers(tx, claims)
    answers: list[Answer] = []
    for name, claim in items:
        known = stored.get(claim) if claim is not None else None
        answers.append(known or await insert_unit(tx, name))
    fresh = {
        claim: (202, answer.model_dump_json().encode())
        for (_, claim), answer in zip(items, answers, strict=True)
        if claim is not None and isinstance(answer, UnitMade)
    }
    await remember(tx, fresh, now=NOON)
    return answers


@router.post("/v1/hot", status_code=202)
async def hot(body: Unit, runtime: Running, claim: ReadClaim, principal: Caller) -> Response:
    with running(claim, within=runtime):
        answer = await runtime.group_writer(write_group).submit((body.name, claim))
    if isinstance(answer, StoredAnswer):
        assert claim is not None
        return answer.replay(claim)
    return Response(answer.model_dump_json(), 202, media_type="application/json")


async def prepared(database: Database) -> None:
    async with database.writing() as tx:
        await tx.run_sync(metadata.create_all)


async def count(database: Database) -> int:
    async with database.reading() as tx:
        return await tx.scalar(select(func.count()).select_from(units)) or 0


def keyed(key: str) -> dict[str, str]:
    return ADMIN | {"Idempotency-Key": key}


@pytest.mark.parametrize("path", ["/v1/units", "/v1/hot"])
async def test_a_repeated_request_gets_the_first_answer_and_has_no_second_effect(
    database_url: str, path: str
) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await prepared(database)

        first = await client.post(path, json={"name": "产品部"}, headers=keyed("k"))
        again = await client.post(path, json={"name": "产品部"}, headers=keyed("k"))

        assert (first.status_code, first.content) == (again.status_code, again.content)
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert await count(database) == 1


@pytest.mark.parametrize("path", ["/v1/units", "/v1/hot"])
async def test_the_same_key_for_another_request_is_refused(database_url: str, path: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await prepared(database)
        await client.post(path, json={"name": "a"}, headers=keyed("k"))

        other = await client.post(path, json={"name": "b"}, headers=keyed("k"))

        assert (other.status_code, slug(other)) == (422, "idempotency-key-reused")
        assert await count(database) == 1


@pytest.mark.parametrize("path", ["/v1/units", "/v1/hot"])
async def test_of_many_at_once_one_has_the_effect(database_url: str, path: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await prepared(database)

        answers = await asyncio.gather(
            *(client.post(path, json={"name": "slow"}, headers=keyed("k")) for _ in range(20))
        )

        statuses = [answer.status_code for answer in answers]
        assert await count(database) == 1
        assert set(statuses) <= {201, 202, 409}
        assert 409 in statuses
        assert len({answer.content for answer in answers if answer.status_code < 300}) == 1
        assert {slug(answer) for answer in answers if answer.status_code == 409} == {"request-running"}


async def test_two_principals_may_use_the_same_key(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await prepared(database)
        change = KeyChanged(
            key_id="k1",
            name="other",
            sha256=sha256_of("other"),
            scopes=("admin",),
            revision=1,
            changed_at=NOON,
        )
        async with database.writing() as tx:
            await save_keys(tx, [change])

        await client.post("/v1/units", json={"name": "a"}, headers=keyed("k"))
        other = await client.post(
            "/v1/units", json={"name": "b"}, headers={"Authorization": "Bearer other", "Idempotency-Key": "k"}
        )

        assert (other.status_code, await count(database)) == (201, 2)


async def test_a_refused_request_leaves_its_key_free(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await prepared(database)
        refused = await client.post("/v1/units", json={"name": "refused"}, headers=keyed("k"))

        mended = await client.post("/v1/units", json={"name": "fine"}, headers=keyed("k"))

        assert (refused.status_code, mended.status_code) == (409, 201)


async def test_without_a_key_nothing_is_remembered(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await prepared(database)

        for _ in range(2):
            await client.post("/v1/units", json={"name": "a"}, headers=ADMIN)

        assert await count(database) == 2


async def test_an_answer_given_meanwhile_by_another_process_rolls_the_second_effect_back(
    database_url: str,
) -> None:
    claim = Claim("p", "k", "f")
    async with opened(database_url) as database:
        async with database.writing() as tx:
            await remember(tx, {claim: (201, b"{}")}, now=NOON)

        with pytest.raises(Refusal) as refusal:
            async with database.writing() as tx:
                await remember(tx, {claim: (201, b"{}"), Claim("p", "new", "f"): (201, b"{}")}, now=NOON)

        assert (refusal.value.status_code, refusal.value.slug) == (409, "request-running")
        async with database.reading() as tx:
            assert list(await find_answers(tx, [claim, Claim("p", "new", "f")])) == [claim]


async def test_answers_are_forgotten_after_seven_days(database_url: str) -> None:
    old, young = Claim("p", "old", "f"), Claim("p", "young", "f")
    async with opened(database_url) as database, database.writing() as tx:
        await remember(tx, {old: (201, b"{}")}, now=NOON - KEPT - timedelta(seconds=1))
        await remember(tx, {young: (201, b"{}")}, now=NOON - KEPT + timedelta(seconds=1))

        assert await forget_answers(tx, now=NOON) == 1
        assert list(await find_answers(tx, [old, young])) == [young]


@pytest.mark.parametrize(
    ("header", "key"), [("abc", "abc"), ('"a b"', "a b"), ("x" * 255, "x" * 255), (None, None)]
)
def test_a_key_is_up_to_255_printable_characters_bare_or_quoted(header: str | None, key: str | None) -> None:
    assert parse_key(header) == key


@pytest.mark.parametrize("header", ["", '""', "x" * 256, "a\tb", "é", "a\x7f"])
def test_an_unfit_key_is_malformed(header: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_key(header)

    assert refusal.value.status_code == 400


async def test_an_unfit_key_is_refused_before_anything_happens() -> None:
    async with client_of(app_of(router)) as client:
        answer = await client.post("/v1/units", json={"name": "a"}, headers=keyed("x" * 256))

        assert answer.status_code == 400


def test_fingerprints_tell_method_path_and_body_apart() -> None:
    requests = [("POST", "/a", b""), ("PUT", "/a", b""), ("POST", "/b", b""), ("POST", "/a", b"{}")]

    assert len({fingerprint_of(*request) for request in requests}) == 4
