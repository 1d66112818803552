"""The clock door: sweeps by the database's clock, and holds when that cannot be right."""

import json
from datetime import datetime, timedelta

import pytest

from huiyin_chassis.clock import utc_now
from huiyin_contracts.sla import SlaBreached
from huiyin_sla import jobs, queries
from huiyin_sla.app import SERVICE
from huiyin_sla.settings import SlaSettings
from huiyin_sla.usecases.sweep import mark_seen
from tests.sla.driver import SlaDriver, hours, progressed, received, routed
from tests.support.service import running_service

SECONDS = {
    "classification": "PT0.02S",
    "ordinary": {"response": "PT0.04S", "resolution": "PT0.08S"},
    "complex": {"response": "PT0.04S", "resolution": "PT0.08S"},
    "urgent": {"response": "PT0.02S", "resolution": "PT0.04S"},
}


async def seen_at(sla: SlaDriver) -> object:
    async with sla.database.reading() as tx:
        return await queries.sweep_seen_at(tx)


async def test_the_sweep_finds_what_is_overdue_now(sla: SlaDriver) -> None:
    now = utc_now()
    await sla.deliver(routed(at=now - hours(25)))

    await jobs.sweep(sla.service.runtime)

    [breach] = await sla.breached()
    assert breach.breached_at == now - hours(1)
    assert now <= breach.detected_at <= utc_now()


async def test_nothing_fires_until_what_happened_meanwhile_is_known(sla: SlaDriver) -> None:
    late = utc_now() - hours(25)
    await sla.deliver(routed("answered", at=late), routed("forgotten", at=late))
    sweeper = jobs.sweeper_of(sla.service.runtime)

    await sweeper.run(is_behind=True)
    assert await sla.breached() == []
    assert jobs.HELD._value.get() == 1

    await sla.deliver(progressed("answered", "answered", at=late + hours(1), version=1))
    await sweeper.run(is_behind=False)
    assert [breach.ticket_id for breach in await sla.breached()] == ["forgotten"]
    assert jobs.HELD._value.get() == 0


async def test_the_sweep_goes_on_until_nothing_is_due(
    sla: SlaDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 3)
    await sla.deliver(*(routed(f"case-{number}", at=utc_now() - hours(25)) for number in range(7)))

    await jobs.sweep(sla.service.runtime)

    assert len(await sla.breached()) == 7


async def test_a_time_seen_before_that_lies_ahead_holds_everything_and_readiness_says_so(
    sla: SlaDriver,
) -> None:
    ahead = utc_now() + hours(1)
    async with sla.database.writing() as tx:
        await mark_seen(tx, now=ahead)
    await sla.deliver(routed(at=utc_now() - hours(25)))

    await jobs.sweep(sla.service.runtime)

    assert await sla.breached() == []
    assert await seen_at(sla) == ahead
    reason = await jobs.sweeper_of(sla.service.runtime).probe()
    assert reason is not None
    assert "jumped by -3600 s" in reason
    assert "wall_clock" in sla.service.runtime.health.names


async def test_the_sweep_is_ready_and_leaves_its_mark(sla: SlaDriver) -> None:
    before = utc_now()

    await jobs.sweep(sla.service.runtime)

    assert await jobs.sweeper_of(sla.service.runtime).probe() is None
    mark = await seen_at(sla)
    assert before - timedelta(seconds=1) <= mark <= utc_now()  # type: ignore[operator]


async def test_the_time_looked_at_is_the_databases_and_on_sqlite_that_of_the_caller(sla: SlaDriver) -> None:
    before, told = utc_now(), utc_now() - hours(1)

    async with sla.database.reading() as tx:
        poll = await queries.poll(tx, now=told)

    if tx.dialect.name == "sqlite":
        assert poll.now == told
    else:
        assert poll.now > before - timedelta(seconds=1)


async def test_policies_in_seconds_warn_and_breach_by_the_same_code(database_url: str) -> None:
    settings = SlaSettings(_env_file=None, policies=json.dumps(SECONDS))
    async with running_service(SERVICE, database_url, settings=settings) as service:
        sla = SlaDriver(service)
        started = utc_now()
        await sla.deliver(received(at=started), routed(at=started + timedelta(milliseconds=10)))

        while len(await sla.breached()) < 2:
            await jobs.sweep(service.runtime)

        breaches = await service.published(SlaBreached)
        assert [(one.target.value, one.policy) for one in breaches] == [
            ("response", "ordinary"),
            ("resolution", "ordinary"),
        ]
        assert breaches[1].due_at == started + timedelta(milliseconds=90)
        states = [(one.target.value, one.state.value) for one in await sla.scheduled()]
        assert ("classification", "met") in states


async def test_the_alarm_for_next_year_is_raised_in_december_only(
    sla: SlaDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for day in ("2026-11-30T23:59:00+08:00", "2026-12-01T00:01:00+08:00", "2025-12-15T12:00:00+08:00"):
        monkeypatch.setattr(jobs, "utc_now", lambda day=day: datetime.fromisoformat(day))
        await jobs.check_coverage(sla.service.runtime)
        found.append(jobs.UNCOVERED.labels(calendar="cn")._value.get())

    # The arrangement of 2026 is known, that of 2027 is not.
    assert found == [0, 1, 0]
