"""What ours is measured against does the work it stands for."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import asyncpg
import httpx2
import pytest
from starlette.types import ASGIApp

from bench import texts
from bench.references import bare, inserts, upserts

APPS = [pytest.param(bare.fastapi_app, id="fastapi"), pytest.param(bare.starlette_app, id="starlette")]


@pytest.fixture(params=APPS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of a bare app."""
    app: ASGIApp = request.param
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://bare") as found:
        yield found


async def test_a_bare_app_accepts_what_the_load_sends(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/feedback", json=texts.complaint(1))

    assert answer.status_code == 202
    assert answer.json()["id"]


async def test_a_bare_app_accepts_a_batch(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        "/v1/feedback/batch", json={"items": [texts.complaint(each) for each in range(3)]}
    )

    assert answer.status_code == 202
    assert len(answer.json()["items"]) == 3


async def test_a_bare_app_validates(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/feedback", json={**texts.complaint(1), "text": ""})

    assert answer.status_code >= 400


def test_the_sqlite_limit_stores_both_rows_of_every_feedback(tmp_path: Path) -> None:
    path = tmp_path / "limit.db"

    told = inserts.sqlite_rate(path, per_commit=8, seconds=0.1)
    again = inserts.sqlite_rate(path, per_commit=1, seconds=0.05)

    with closing(sqlite3.connect(path)) as connection:
        (feedback,) = connection.execute("SELECT count(*) FROM feedback").fetchone()
        (events,) = connection.execute("SELECT count(*) FROM outbox").fetchone()
        (content,) = connection.execute("SELECT content FROM feedback LIMIT 1").fetchone()
    assert feedback == events > 8
    assert min(told["items_per_second"], told["app_us"], again["items_per_second"]) > 0
    assert json.loads(content)["author"]


def test_bare_upserts_count_every_event_once(tmp_path: Path) -> None:
    path = tmp_path / "bare.db"

    rate = upserts.sqlite_rate(path, 1200)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM seen").fetchone() == (1200,)
        assert connection.execute("SELECT sum(count) FROM rollup").fetchone() == (1200,)
    assert rate > 0


@pytest.mark.postgresql
def test_bare_upserts_count_the_same_on_postgresql(postgresql_url: str) -> None:
    import asyncio

    url = postgresql_url.replace("+asyncpg", "")

    rate = upserts.postgresql_rate(url, 1200)

    async def counts() -> tuple[int, int]:
        connection = await asyncpg.connect(url)
        try:
            seen = await connection.fetchval("SELECT count(*) FROM seen")
            return seen, int(await connection.fetchval("SELECT sum(count) FROM rollup"))
        finally:
            await connection.close()

    assert asyncio.run(counts()) == (1200, 1200)
    assert rate > 0
