"""Events fold into a rollup that equals a recount, whatever their order, and a rebuild gives the same."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from itertools import groupby

import pytest
from sqlalchemy import delete, select, update

from huiyin_analytics import queries
from huiyin_analytics.app import SERVICE
from huiyin_analytics.domain.cells import Cell, Tally
from huiyin_analytics.errors import BuildSuperseded, ProjectionMissing
from huiyin_analytics.models import case_day, case_ledger, projection, rollup, unit
from huiyin_analytics.usecases import projections
from huiyin_analytics.usecases.folding import fold_events
from huiyin_contracts.event import Envelope
from huiyin_contracts.people import UnitChanged
from huiyin_contracts.registry import parse_event
from huiyin_contracts.vocabulary import Outcome, UnitKind
from huiyin_eventbus.subscriptions import Received
from tests.analytics.stories import NOON, ZONE, Story, handled, many_stories, published
from tests.support.service import ServiceDriver, running_service


async def hear(analytics: ServiceDriver, envelopes: Sequence[Envelope], *, batch: int = 100) -> None:
    """Hand events to the handlers as the consumer does: batch by batch, each type of a batch by itself."""
    assert SERVICE.subscriptions is not None
    for start in range(0, len(envelopes), batch):
        some = sorted(envelopes[start : start + batch], key=lambda each: each.type)
        async with analytics.database.writing() as tx:
            for event_type, group in groupby(some, key=lambda each: each.type):
                received = [Received(parse_event(each), each, each.type, 0, 0, "") for each in group]
                await SERVICE.subscriptions.handler(event_type)(tx, received)


async def live_cells(analytics: ServiceDriver) -> dict[Cell, Tally]:
    async with analytics.database.reading() as tx:
        live = await queries.live_projection(tx)
        return await queries.cells(tx, live.id)


async def recounted(analytics: ServiceDriver) -> dict[Cell, Tally]:
    async with analytics.database.reading() as tx:
        return await queries.recounted_cells(tx, await queries.live_projection(tx))


async def log_of(envelopes: Sequence[Envelope]) -> AsyncIterator[Envelope]:
    for envelope in envelopes:
        yield envelope


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_live_rollup_equals_its_recount_and_the_rebuild_from_the_log(
    analytics: ServiceDriver, seed: int
) -> None:
    chance = random.Random(seed)
    log = published(many_stories(40, seed=seed))
    heard = [*log, *chance.sample(log, len(log) // 3)]
    chance.shuffle(heard)

    await hear(analytics, heard)
    rebuilt = await projections.rebuild(analytics.database, log_of(log), zone=ZONE, now=NOON)

    assert await live_cells(analytics) == await recounted(analytics)
    assert rebuilt.is_equal, rebuilt.differences
    assert (rebuilt.events, rebuilt.unreadable) == (len(log), 0)


async def test_folding_beside_each_other_loses_nothing(analytics: ServiceDriver) -> None:
    log = published(many_stories(15))
    thirds = [log[start::3] for start in range(3)]

    await asyncio.gather(*(hear(analytics, some, batch=8) for some in thirds))
    rebuilt = await projections.rebuild(analytics.database, log_of(log), zone=ZONE, now=NOON)

    assert rebuilt.is_equal, rebuilt.differences


async def test_the_days_of_cases_are_those_of_their_contributions(analytics: ServiceDriver) -> None:
    story = Story("f-1").received().classified(Outcome.TRIAGE).classified(after=90_000).routed(after=90_000)

    await hear(analytics, published([story]), batch=1)

    async with analytics.database.reading() as tx:
        days = (await tx.execute(select(case_day.c.day).order_by(case_day.c.day))).scalars().all()
    assert days == ["2026-11-20", "2026-11-21"]


async def test_a_day_on_which_a_case_counts_no_more_is_dropped(analytics: ServiceDriver) -> None:
    late, early = Story("f-1").classified(after=200_000), Story("f-1").classified(after=5)
    log = [*published([late]), *published([early])]

    await hear(analytics, [log[0], log[1]._replace(id="other")], batch=1)

    async with analytics.database.reading() as tx:
        days = (await tx.execute(select(case_day.c.day))).scalars().all()
    assert days == ["2026-11-20"]


async def test_a_rebuild_tells_what_the_live_rollup_lacks_and_takes_its_place(
    analytics: ServiceDriver,
) -> None:
    log = published([handled("f-1"), handled("f-2")])
    await hear(analytics, log[: len(log) // 2])

    rebuilt = await projections.rebuild(analytics.database, log_of(log), zone=ZONE, now=NOON)
    assert not rebuilt.is_equal
    assert any("received" in line and "holds 1, not 2" in line for line in rebuilt.differences)
    await projections.adopt(analytics.database, rebuilt.projection)

    received = [
        tally.n for cell, tally in (await live_cells(analytics)).items() if cell.measure == "received"
    ]
    assert received == [2]
    async with analytics.database.reading() as tx:
        for table in (case_ledger, case_day, rollup):
            kept = (await tx.execute(select(table.c.projection).distinct())).scalars().all()
            assert kept == [rebuilt.projection.id]


async def test_a_discarded_rebuild_leaves_nothing_behind(analytics: ServiceDriver) -> None:
    log = published([handled("f-1")])
    await hear(analytics, log)
    before = await live_cells(analytics)

    rebuilt = await projections.rebuild(analytics.database, log_of(log), zone=ZONE, now=NOON)
    await projections.discard(analytics.database, rebuilt.projection)

    assert await live_cells(analytics) == before
    async with analytics.database.reading() as tx:
        assert len((await tx.execute(select(projection.c.id))).all()) == 1


async def test_what_the_live_consumer_takes_during_a_rebuild_enters_both(analytics: ServiceDriver) -> None:
    log = published([handled("f-1"), handled("f-2")])
    middle = len(log) // 2
    await hear(analytics, log[:middle])

    async def log_that_grows() -> AsyncIterator[Envelope]:
        yield log[0]
        await hear(analytics, log[middle:])
        for envelope in log[1:middle]:
            yield envelope

    rebuilt = await projections.rebuild(analytics.database, log_that_grows(), zone=ZONE, now=NOON)

    assert rebuilt.is_equal, rebuilt.differences


async def test_events_no_contract_fits_are_counted_and_passed_over(analytics: ServiceDriver) -> None:
    log = published([handled("f-1")])
    await hear(analytics, log)
    broken = log[0]._replace(data=b'{"feedback_id": 1}')

    rebuilt = await projections.rebuild(analytics.database, log_of([broken, *log]), zone=ZONE, now=NOON)

    assert rebuilt.unreadable == 1
    assert rebuilt.is_equal


async def test_a_second_rebuild_drops_the_first_which_then_stops(analytics: ServiceDriver) -> None:
    log = published([handled("f-1")])

    async def interrupted() -> AsyncIterator[Envelope]:
        await projections.begin_building(analytics.database, zone=ZONE, now=NOON)
        for envelope in log:
            yield envelope

    with pytest.raises(BuildSuperseded):
        await projections.rebuild(analytics.database, interrupted(), zone=ZONE, now=NOON)


async def test_another_zone_at_start_counts_all_days_anew(analytics: ServiceDriver) -> None:
    await hear(analytics, published(many_stories(20)))
    before = await live_cells(analytics)

    moved = await projections.open_projection(analytics.database, zone="America/New_York", now=NOON)

    after = await live_cells(analytics)
    assert moved.zone == "America/New_York"
    assert after == await recounted(analytics)
    assert {cell.day for cell in after} != {cell.day for cell in before}
    assert sum(tally.n for tally in after.values()) == sum(tally.n for tally in before.values())


async def test_a_start_in_the_same_zone_changes_nothing(analytics: ServiceDriver) -> None:
    first = await projections.open_projection(analytics.database, zone=ZONE, now=NOON)

    assert await projections.open_projection(analytics.database, zone=ZONE, now=NOON) == first


async def test_processes_that_start_at_once_share_one_projection(database_url: str) -> None:
    async with running_service(SERVICE, database_url, started=False) as analytics:
        opened = await asyncio.gather(
            *(projections.open_projection(analytics.database, zone=ZONE, now=NOON) for _ in range(3))
        )

        assert len(set(opened)) == 1


async def test_a_rebuild_that_breaks_off_leaves_nothing_behind(analytics: ServiceDriver) -> None:
    async def broken_log() -> AsyncIterator[Envelope]:
        yield published([handled()])[0]
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await projections.rebuild(analytics.database, broken_log(), zone=ZONE, now=NOON)

    async with analytics.database.reading() as tx:
        assert (await tx.execute(select(projection.c.state))).scalars().all() == ["live"]


async def test_without_a_live_projection_nothing_is_folded(database_url: str) -> None:
    async with (
        running_service(SERVICE, database_url, started=False) as analytics,
        analytics.database.writing() as tx,
    ):
        with pytest.raises(ProjectionMissing):
            await fold_events(tx, [])


async def test_a_spoiled_cell_is_found_by_the_recount(analytics: ServiceDriver) -> None:
    await hear(analytics, published([handled()]))
    async with analytics.database.writing() as tx:
        await tx.execute(update(rollup).where(rollup.c.measure == "received").values(n=5))
        await tx.execute(delete(rollup).where(rollup.c.measure == "archived"))

    found = projections.compare(await live_cells(analytics), await recounted(analytics))

    assert len(found) == 2
    assert "archived 2026-11-20" in found[0]
    assert found[0].endswith("holds nothing, not 1")
    assert found[1].endswith("holds 5, not 1")


async def test_units_keep_the_names_of_their_latest_revision(analytics: ServiceDriver) -> None:
    def renamed(name: str, revision: int) -> UnitChanged:
        return UnitChanged(
            unit_id="u-1",
            slug="logistics",
            kind=UnitKind.DEPARTMENT,
            names={"zh-CN": name},
            revision=revision,
            changed_at=NOON,
        )

    await analytics.deliver(renamed("物流部", 2), renamed("储运部", 1))

    async with analytics.database.reading() as tx:
        assert (await tx.execute(select(unit.c.names))).scalars().all() == [{"zh-CN": "物流部"}]
