"""Dead letters over HTTP: operators see and settle those of all services, and nobody else does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import APIRouter
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import insert

from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Database
from huiyin_chassis.http import create_service_app, create_suite_app
from huiyin_chassis.keys import sha256_of
from huiyin_chassis.migrate import upgrade
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.settings import Settings
from huiyin_eventbus.tables import dead_letter
from tests.chassis.example.app import SERVICE

KEY = "k" * 40


async def bury(database: Database, number: int) -> None:
    async with database.writing() as tx:
        await tx.execute(
            insert(dead_letter).values(
                id=number,
                grp="example",
                event_id=f"event-{number}",
                topic="unit.changed",
                part=0,
                off=number,
                key=f"unit-{number}",
                headers='[["ce_type", "unit.changed"]]',
                body=b'{"slug": "unit", "names": {"zh": "a long name of a unit"}}',
                error_class="ValueError",
                error_text="ValueError",
                attempts=1,
                first_at=utc_now(),
                last_at=utc_now(),
                state="open",
            )
        )


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[AsyncClient]:
    """Give a client of two services on one port, three dead letters in each."""
    async with AsyncExitStack() as stack:
        apps = {}
        for name in ("alpha", "beta"):
            database = Database(f"sqlite:///{tmp_path / name}.db")
            stack.push_async_callback(database.close)
            service = replace(SERVICE, name=name, router=APIRouter())
            await upgrade(database, service)
            for number in (1, 2, 3):
                await bury(database, number)
            runtime = Runtime(service, Settings(), database=database, admin_sha256=sha256_of(KEY))
            apps[name] = create_service_app(service, runtime)
        suite = create_suite_app(apps, healths={})
        transport = ASGITransport(suite, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {KEY}"}
        yield await stack.enter_async_context(
            AsyncClient(transport=transport, base_url="http://test", headers=headers)
        )


async def test_pages_go_through_all_services(client: AsyncClient) -> None:
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/dead-letters", params={"limit": "4", **cursor})).json()
        seen += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert seen == ["alpha-1", "alpha-2", "alpha-3", "beta-1", "beta-2", "beta-3"]


async def test_what_could_be_a_customers_words_is_masked(client: AsyncClient) -> None:
    shown = (await client.get("/v1/dead-letters/beta-2")).json()

    assert shown["service"] == "beta"
    assert shown["data"]["slug"] == "unit"
    assert "long name" not in str(shown)


async def test_a_redriven_letter_is_settled_and_cannot_be_settled_again(client: AsyncClient) -> None:
    redriven = await client.post("/v1/dead-letters/alpha-1/redrive")
    again = await client.post("/v1/dead-letters/alpha-1/discard", json={"reason": "late"})
    left = (await client.get("/v1/dead-letters", params={"state": "open"})).json()

    assert (redriven.status_code, redriven.json()["state"]) == (200, "redriven")
    assert again.status_code == 409
    assert len(left["items"]) == 5


async def test_a_discarded_letter_keeps_who_and_why(client: AsyncClient) -> None:
    discarded = (await client.post("/v1/dead-letters/alpha-2/discard", json={"reason": "a test"})).json()

    assert (discarded["state"], discarded["reason"]) == ("discarded", "a test")
    assert discarded["actor"]


@pytest.mark.parametrize(
    "letter_id", ["alpha-9", "gamma-1", "alpha", "alpha-", "alpha-x", "alpha-" + "9" * 40]
)
async def test_an_unknown_letter_is_not_found(client: AsyncClient, letter_id: str) -> None:
    assert (await client.get(f"/v1/dead-letters/{letter_id}")).status_code == 404


async def test_a_cursor_of_nowhere_is_refused(client: AsyncClient) -> None:
    assert (await client.get("/v1/dead-letters", params={"cursor": "gamma-1"})).status_code in {404, 422}


@pytest.mark.parametrize("headers", [{"Authorization": ""}, {"Authorization": "Bearer nobody"}])
async def test_without_a_key_nothing_is_told(client: AsyncClient, headers: dict[str, str]) -> None:
    assert (await client.get("/v1/dead-letters", headers=headers)).status_code == 401
