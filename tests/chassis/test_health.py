"""Liveness asks nothing, readiness names what fails, and neither waits for ever."""

import asyncio
from pathlib import Path

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from huiyin_chassis.db import Database
from huiyin_chassis.health import Health, database_probe, disk_probe, health_routes
from tests.chassis.web import client_of, opened, out_of_reach
from tests.support.postgresql import PostgreSQL


def app_of(**parts: Health) -> FastAPI:
    app = FastAPI()
    app.router.routes.extend(health_routes(parts))
    return app


def started(**probes: str | None) -> Health:
    health = Health()
    for name, reason in probes.items():
        health.add(name, lambda reason=reason: _say(reason))  # type: ignore[misc]  # the default binds it
    health.has_started = True
    return health


async def _say(reason: str | None) -> str | None:
    return reason


async def test_all_is_well() -> None:
    async with client_of(app_of(desk=started(database=None))) as client:
        ready = await client.get("/readyz")

        assert (ready.status_code, ready.json()) == (
            200,
            {"ready": True, "failing": {}, "checks": ["desk.database"]},
        )


async def test_what_fails_is_named_with_its_service() -> None:
    parts = {"desk": started(database="is locked", bus=None), "sla": started(database=None)}
    async with client_of(app_of(**parts)) as client:
        ready, alive = await client.get("/readyz"), await client.get("/livez")

        assert ready.status_code == 503
        assert ready.json()["failing"] == {"desk.database": "is locked"}
        assert ready.json()["checks"] == ["desk.bus", "desk.database", "sla.database"]
        assert alive.status_code == 200


async def test_a_service_is_not_ready_before_its_start_nor_while_it_stops() -> None:
    health = Health()
    async with client_of(app_of(desk=health)) as client:
        before = [await client.get("/startupz"), await client.get("/readyz")]
        health.has_started = True
        during = [await client.get("/startupz"), await client.get("/readyz")]
        health.is_stopping = True
        after = [await client.get("/startupz"), await client.get("/readyz")]

        assert [answer.status_code for answer in before] == [503, 503]
        assert [answer.status_code for answer in during] == [200, 200]
        assert [answer.status_code for answer in after] == [200, 503]
        assert before[0].json() == {"started": False, "waiting": ["desk"]}


async def test_a_probe_that_hangs_or_breaks_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huiyin_chassis.health.PROBE_SECONDS", 0.01)

    async def hang() -> str | None:
        await asyncio.sleep(60)
        return None

    async def break_down() -> str | None:
        raise RuntimeError("password=secret")

    health = Health({"hangs": hang, "breaks": break_down})
    health.has_started = True

    with capture_logs():
        failing = await health.failing()

    assert failing == {"hangs": "gave no answer within 0.01 seconds", "breaks": "RuntimeError"}


async def test_probes_are_not_run_for_every_question() -> None:
    asked: list[int] = []

    async def probe() -> str | None:
        asked.append(1)
        return None

    health = Health({"database": probe})
    health.has_started = True

    for _ in range(10):
        await health.failing()

    assert len(asked) == 1


async def test_recovery_is_seen_at_once_and_what_was_well_is_not_asked_for_it() -> None:
    asked: list[str] = []
    reasons = iter(["is starting", "is starting", None])

    async def consumer() -> str | None:
        asked.append("consumer")
        return next(reasons)

    async def database() -> str | None:
        asked.append("database")
        return None

    health = Health({"database": database, "consumer": consumer})
    health.has_started = True

    for _ in range(3):
        failing = await health.failing()
        await asyncio.sleep(0.03)

    assert failing == {}
    assert asked == ["database", "consumer", "consumer", "consumer"]


async def test_a_probe_that_takes_long_to_fail_is_not_asked_again_right_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huiyin_chassis.health.PROBE_SECONDS", 0.2)
    asked: list[int] = []

    async def hang() -> str | None:
        asked.append(1)
        await asyncio.sleep(60)
        return None

    health = Health({"database": hang})
    health.has_started = True

    await health.failing()
    await asyncio.sleep(0.03)
    failing = await health.failing()

    assert failing == {"database": "gave no answer within 0.2 seconds"}
    assert len(asked) == 1


async def test_a_database_that_can_be_written_is_well(database_url: str) -> None:
    async with opened(database_url) as database:
        assert await database_probe(database)() is None


@pytest.mark.postgresql
async def test_a_database_that_takes_no_writes_is_not(
    postgresql_server: PostgreSQL, postgresql_url: str
) -> None:
    name = postgresql_url.partition("?")[0].rpartition("/")[2]
    postgresql_server.psql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    database = Database(postgresql_url)

    answer = await database_probe(database)()

    await database.close()
    assert answer == "takes no writes"


async def test_a_database_out_of_reach_is_not() -> None:
    async with out_of_reach() as database:
        health = Health({"database": database_probe(database)})
        health.has_started = True

        with capture_logs():
            failing = await health.failing()

        assert failing == {"database": "OperationalError"}


async def test_a_full_disk_is_not_well(tmp_path: Path) -> None:
    assert await disk_probe(tmp_path, min_free_share=0)() is None
    assert "of the disk is free" in str(await disk_probe(tmp_path, min_free_share=1.1)())


async def test_a_probe_is_asked_once_however_many_want_to_know() -> None:
    asked = 0

    async def slow() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)
        return "is slow"

    health = Health({"slow": slow})
    health.has_started = True

    found = await asyncio.gather(*(health.failing() for _ in range(20)))

    assert found == [{"slow": "is slow"}] * 20
    assert asked == 1
