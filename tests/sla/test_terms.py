"""Policies and calendars at start: shipped, set from outside, and never taken from an operator."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Database
from huiyin_chassis.errors import SettingsBroken
from huiyin_chassis.migrate import upgrade
from huiyin_sla import queries
from huiyin_sla.app import SERVICE
from huiyin_sla.domain.policies import DEFAULT_POLICIES
from huiyin_sla.models import calendar, policies
from huiyin_sla.settings import SlaSettings
from huiyin_sla.usecases.terms import SETTING, SHIPPED, save_calendar, save_policies, seed_terms
from tests.sla.driver import NOON, SlaDriver, received
from tests.support.service import running_service

FASTER = {"urgent": {"response": "PT1H"}}


def set_to(policies: str) -> SlaSettings:
    return SlaSettings(_env_file=None, policies=policies)


async def test_a_second_start_changes_nothing(sla: SlaDriver) -> None:
    async with sla.database.writing() as tx:
        await seed_terms(tx, overriding=None, now=utc_now())

    async with sla.database.reading() as tx:
        found = await queries.active_policies(tx)
        days = await queries.active_calendar(tx, "cn")
    assert found is not None
    assert days is not None
    assert (found.revision, found.changed_by) == (1, SHIPPED)
    assert days.revision == 1
    assert days.changed_by.startswith("shipped: chinesecalendar ")


async def test_policies_of_the_setting_come_into_force_at_start(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text(json.dumps(FASTER), encoding="utf-8")

    async with running_service(SERVICE, database_url, settings=set_to(str(file))) as service:
        answer = (await service.client.get("/v1/policies")).json()
        assert answer["urgent"] == {"response": "PT1H", "resolution": "PT24H"}
        assert answer["changed_by"] == SETTING
        async with service.database.writing() as tx:
            await save_policies(tx, DEFAULT_POLICIES.to_dict(), changed_by="operator", now=NOON)
        await SERVICE.on_start(service.runtime)  # type: ignore[misc]

        again = (await service.client.get("/v1/policies")).json()

    assert again["urgent"]["response"] == "PT1H"
    assert again["revision"] == 4


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("{", "holds no valid JSON"),
        ("/no/such/file.json", "neither a JSON object nor a readable file"),
        ('{"urgent": {"response": "PT90H"}}', "/urgent/response: PT90H can end later"),
        ('{"gold": {}}', "/gold: is no policy"),
        ('{"urgent": 3}', "/urgent: must map targets to spans"),
    ],
)
async def test_a_broken_setting_stops_the_start_with_one_line(
    tmp_path: Path, value: str, reason: str
) -> None:
    with pytest.raises(SettingsBroken) as told:
        async with running_service(SERVICE, f"sqlite:///{tmp_path / 'x.db'}", settings=set_to(value)):
            pass

    assert str(told.value).startswith("HUIYIN_SLA_POLICIES: ")
    assert reason in str(told.value)
    assert "\n" not in str(told.value)


async def test_a_file_that_holds_no_object_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    file.write_text("[]", encoding="utf-8")

    with pytest.raises(SettingsBroken, match="must be a JSON object"):
        set_to(str(file)).policies_document()


async def test_two_processes_may_start_at_once_on_an_empty_database(database_url: str) -> None:
    database = Database(database_url)
    await upgrade(database, SERVICE)

    async def start() -> None:
        async with database.writing() as tx:
            await seed_terms(tx, overriding=FASTER, now=NOON)

    try:
        await asyncio.gather(start(), start(), start())

        async with database.reading() as tx:
            counted = await tx.execute(select(func.count(), func.max(policies.c.revision)))
            assert tuple(counted.one()) == (2, 2)
            assert (await tx.execute(select(func.count()).select_from(calendar))).scalar_one() == 1
    finally:
        await database.close()


async def test_newer_shipped_days_replace_older_shipped_ones_and_never_edited_ones(sla: SlaDriver) -> None:
    async with sla.database.writing() as tx:
        shipped = await queries.active_calendar(tx, "cn")
        assert shipped is not None
        older = {**shipped.document, "official_years": [2026]}
        await save_calendar(tx, "cn", older, changed_by="shipped: an older release", now=NOON)
        await seed_terms(tx, overriding=None, now=NOON)
        replaced = await queries.active_calendar(tx, "cn")
        await save_calendar(tx, "cn", older, changed_by="operator", now=NOON)
        await seed_terms(tx, overriding=None, now=NOON)
        kept = await queries.active_calendar(tx, "cn")

    assert replaced is not None
    assert (replaced.revision, replaced.version) == (3, shipped.version)
    assert kept is not None
    assert (kept.revision, kept.changed_by) == (4, "operator")


async def test_a_database_that_was_never_started_on_takes_no_event(database_url: str) -> None:
    async with running_service(SERVICE, database_url, settings=set_to("{}"), started=False) as service:
        with pytest.raises(LookupError, match="never started on this database"):
            await service.deliver(received())
