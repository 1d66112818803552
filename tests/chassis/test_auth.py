"""Keys open doors exactly as far as their scopes, departments, end and rate allow."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends

from huiyin_chassis.auth import ROLES, SCOPES, KeyRing, Principal, made_key, require, save_keys, sha256_of
from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Database, Writing
from huiyin_chassis.keys import TokenBucket, on_key_changed, subscribe_keys
from huiyin_contracts.people import KeyChanged
from huiyin_eventbus.subscriptions import Subscriptions
from tests.chassis.web import ADMIN, ADMIN_KEY, app_of, client_of, opened, slug

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = "huiyin_live_test_secret"

router = APIRouter()


@router.get("/v1/tickets")
async def list_tickets(principal: Annotated[Principal, require("tickets:read")]) -> dict[str, object]:
    departments = principal.departments
    return {"id": principal.id, "departments": None if departments is None else sorted(departments)}


@router.post("/v1/tickets/accept")
async def accept(tx: Writing, principal: Annotated[Principal, require("tickets:work")]) -> int:
    return 1


Worker = Annotated[Principal, require("tickets:work")]


async def opened_ticket(tx: Writing, worker: Worker) -> str:
    return worker.id


@router.post("/v1/tickets/return")
async def give_back(ticket: Annotated[str, Depends(opened_ticket)]) -> str:
    return ticket


def changed(key: str = KEY, **fields: object) -> KeyChanged:
    values: dict[str, object] = {
        "key_id": "k1",
        "name": "logistics system",
        "sha256": sha256_of(key),
        "scopes": ("tickets:read",),
        "departments": ("logistics",),
        "revision": 1,
        "changed_at": NOON,
    }
    return KeyChanged.model_validate(values | fields)


async def give(database: Database, *changes: KeyChanged) -> None:
    async with database.writing() as tx:
        await save_keys(tx, changes)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_opens_what_its_scopes_say_and_carries_its_departments(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await give(database, changed())

        answer = await client.get("/v1/tickets", headers=bearer(KEY))

        assert answer.json() == {"id": "k1", "departments": ["logistics"]}


async def test_missing_unknown_revoked_and_expired_keys_get_one_identical_answer(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await give(
            database,
            changed("revoked", key_id="k2", active=False),
            changed("expired", key_id="k3", expires_at=utc_now() - timedelta(seconds=1)),
        )
        attempts: list[dict[str, str]] = [
            {},
            {"Authorization": "Basic dTpw"},
            {"Authorization": "Bearer"},
            bearer("unknown"),
            bearer("x" * 5000),
            bearer("revoked"),
            bearer("expired"),
        ]

        answers = [await client.get("/v1/tickets", headers=headers) for headers in attempts]

        assert {slug(answer) for answer in answers} == {"unauthenticated"}
        assert {answer.headers["www-authenticate"] for answer in answers} == {'Bearer realm="huiyin"'}
        assert len({answer.json()["detail"] for answer in answers}) == 1


async def test_a_missing_scope_is_named(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await give(database, changed(scopes=("feedback:write",)))

        answer = await client.get("/v1/tickets", headers=bearer(KEY))

        assert (answer.status_code, slug(answer), answer.json()["scope"]) == (
            403,
            "forbidden",
            "tickets:read",
        )


@pytest.mark.parametrize("verb", ["accept", "return"])
async def test_a_caller_without_the_right_key_opens_no_transaction(database_url: str, verb: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await give(database, changed())
        async with database.writing():
            # On SQLite nobody else can write now: whoever tried to would wait.
            async with asyncio.timeout(5):
                unknown = await client.post(f"/v1/tickets/{verb}")
                unfit = await client.post(f"/v1/tickets/{verb}", headers=bearer(KEY))

        assert (unknown.status_code, unfit.status_code) == (401, 403)


async def test_the_operators_key_opens_everything_without_the_table() -> None:
    async with client_of(app_of(router)) as client:
        answer = await client.get("/v1/tickets", headers=ADMIN)

        assert answer.json() == {"id": "operator", "departments": None}


async def test_a_key_may_be_any_text(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await give(database, changed("钥匙"))

        answer = await client.get("/v1/tickets", headers=[(b"Authorization", "Bearer 钥匙".encode())])

        assert answer.status_code == 200


async def test_a_revoked_key_stops_working_at_once_in_this_process(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await give(database, changed())
        before = await client.get("/v1/tickets", headers=bearer(KEY))

        await give(database, changed(active=False, revision=2))
        after = await client.get("/v1/tickets", headers=bearer(KEY))

        assert (before.status_code, after.status_code) == (200, 401)


async def test_a_rotated_key_replaces_the_old_text(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await give(database, changed("old"))
        await client.get("/v1/tickets", headers=bearer("old"))

        await give(database, changed("new", revision=2))
        old = await client.get("/v1/tickets", headers=bearer("old"))
        new = await client.get("/v1/tickets", headers=bearer("new"))

        assert (old.status_code, new.status_code) == (401, 200)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 3, 1)])
async def test_the_latest_revision_wins_in_whatever_order_changes_arrive(
    database_url: str, order: tuple[int, ...]
) -> None:
    async with opened(database_url) as database:
        for revision in order:
            await give(database, changed(revision=revision, departments=(f"d{revision}",)))
        await give(database, *(changed(revision=revision) for revision in (1, 2)))

        found = await KeyRing(database).find(KEY, now=NOON)

        assert found is not None
        assert found.departments == frozenset({"d3"})


async def test_an_answer_about_a_key_is_believed_for_a_second_only(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database_url) as database:
        ring = KeyRing(database)
        await give(database, changed())
        assert await ring.find(KEY, now=NOON)
        # Another process writes: this one hears nothing of it.
        monkeypatch.setattr("huiyin_chassis.keys._forget", lambda _digests: None)
        await give(database, changed(active=False, revision=2))

        kept = await ring.find(KEY, now=NOON)
        monkeypatch.setattr("huiyin_chassis.keys.CACHE_SECONDS", 0)
        asked_again = await ring.find(KEY, now=NOON)

        assert (kept is not None, asked_again) == (True, None)


async def test_a_cached_key_still_ends_on_time(database_url: str) -> None:
    async with opened(database_url) as database:
        ring = KeyRing(database)
        await give(database, changed(expires_at=NOON))

        before = await ring.find(KEY, now=NOON - timedelta(seconds=1))
        after = await ring.find(KEY, now=NOON)

        assert (before is not None, after) == (True, None)


async def test_random_keys_do_not_fill_the_memory(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huiyin_chassis.keys._MAX_CACHED", 10)
    async with opened(database_url) as database:
        ring = KeyRing(database)

        for number in range(35):
            await ring.find(f"guess {number}", now=NOON)

        assert len(ring._answers) <= 10


async def test_a_key_over_its_rate_is_told_when_to_come_back(database_url: str) -> None:
    async with opened(database_url) as database, client_of(app_of(router, database)) as client:
        await give(database, changed(rate_per_minute=2))

        answers = [await client.get("/v1/tickets", headers=bearer(KEY)) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert slug(answers[2]) == "too-many-requests"
        assert 1 <= int(answers[2].headers["retry-after"]) <= 31


def test_a_bucket_refills_evenly() -> None:
    bucket = TokenBucket(60)

    spent = [bucket.take(0.0) for _ in range(61)]

    assert spent[:60] == [0.0] * 60
    assert spent[60] == pytest.approx(1.0)
    assert bucket.take(0.5) == pytest.approx(0.5)
    assert bucket.take(1.0) == 0.0


def test_made_keys_are_long_recognisable_and_never_the_same() -> None:
    keys = {made_key() for _ in range(100)}

    assert len(keys) == 100
    for key in keys:
        product, kind, _public, secret = key.split("_")
        assert (product, kind) == ("huiyin", "live")
        assert len(secret) == 43
        assert secret.isalnum()


def test_roles_grant_known_scopes_and_only_admin_grants_everything() -> None:
    assert set(ROLES) == {"adapter", "department", "customer_service", "analyst", "operator", "admin"}
    assert frozenset().union(*ROLES.values()) <= SCOPES
    assert [role for role, scopes in ROLES.items() if "admin" in scopes] == ["admin"]
    assert not {"triage:decide", "directory:manage", "feedback:read"} & ROLES["department"]


def test_a_principal_sees_its_departments_and_what_has_none_only_when_it_sees_all() -> None:
    bound = Principal("a", "a", frozenset({"tickets:read"}), frozenset({"design"}))
    free = Principal("b", "b", frozenset({"admin"}))

    assert (bound.sees("design"), bound.sees("product"), bound.sees(None)) == (True, False, False)
    assert (free.sees("design"), free.sees(None)) == (True, True)
    assert (bound.can("tickets:work"), free.can("tickets:work")) == (False, True)


def test_a_scope_that_nobody_can_have_is_refused_when_the_router_is_written() -> None:
    with pytest.raises(ValueError, match="tickets:raed"):
        require("tickets:raed")


def test_every_service_can_subscribe_to_keys() -> None:
    subscriptions = Subscriptions()

    subscribe_keys(subscriptions)

    assert subscriptions.handler("key.changed") is on_key_changed


def test_keys_are_stored_by_the_digest_of_the_whole_key() -> None:
    assert sha256_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(ADMIN_KEY) not in ADMIN_KEY
