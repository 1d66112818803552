"""What ours is measured against does the work it stands for."""

import asyncio
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
from bench.references import bare, bare_chain, inserts, upserts
from bench.stores import SqliteStores, await_settled
from huiyin_chassis.db import Database
from huiyin_chassis.migrate import upgrade
from huiyin_chassis.service import load_service

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


async def test_a_bare_chain_delivers_every_event_to_every_reader_once(tmp_path: Path) -> None:
    """Ten feedbacks make forty events; router takes ten, sla thirty, desk twenty, analytics forty."""
    names = ("intake", "router", "sla", "desk", "analytics")
    for name in names:
        database = Database(f"sqlite:///{tmp_path / name}.db")
        await upgrade(database, load_service(name))
        await database.close()
    stores = SqliteStores(tmp_path)

    async with bare_chain.chain(tmp_path, database_url="", bootstrap="") as app:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bare") as client:
            bodies = [{**texts.complaint(number), "external_id": str(number)} for number in range(10)]
            answers = [await client.post("/v1/feedback", json=body) for body in bodies]
        bootstrap = f"127.0.0.1:{(tmp_path / 'broker.port').read_text()}"
        await asyncio.to_thread(await_settled, stores, names, bootstrap=bootstrap)

    assert {answer.status_code for answer in answers} == {202}
    taken = {name: stores.rows(name, "SELECT count(*) FROM inbox")[0][0] for name in names}
    assert taken == {"intake": 0, "router": 10, "sla": 30, "desk": 20, "analytics": 40}
    effects = {name: stores.rows(name, "SELECT count(*) FROM bare_effect")[0][0] for name in names}
    assert set(effects.values()) == {10}
