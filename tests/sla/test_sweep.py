"""The sweep: warnings and breaches, each once, and what is taken back."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid5

from sqlalchemy import update

from huiyin_contracts.vocabulary import Outcome, Target
from huiyin_sla.domain.announcements import breach_id
from huiyin_sla.models import sla_case
from huiyin_sla.usecases.sweep import sweep_deadlines
from tests.sla.driver import NOON, SlaDriver, classified, hours, progressed, received, routed, targets

MOMENT = timedelta(milliseconds=1)


async def test_warnings_come_at_half_and_three_quarters_once_each(sla: SlaDriver) -> None:
    await sla.deliver(routed(urgency="urgent"))

    for minutes in range(0, 24 * 60, 10):
        await sla.sweep(NOON + timedelta(minutes=minutes) + MOMENT)

    warned = [(one.target.value, one.percent, one.warned_at - NOON) for one in await sla.warned()]
    assert warned == [
        ("response", 50, hours(2)),
        ("response", 75, hours(3)),
        ("resolution", 50, hours(12)),
        ("resolution", 75, hours(18)),
    ]
    assert {one.department for one in await sla.warned()} == {"logistics"}


async def test_a_sweep_that_comes_late_sends_both_warnings_and_none_after_the_deadline(
    sla: SlaDriver,
) -> None:
    await sla.deliver(routed())

    await sla.sweep(NOON + hours(23))
    await sla.sweep(NOON + hours(100))

    assert [(one.target.value, one.percent) for one in await sla.warned()] == [
        ("response", 50),
        ("response", 75),
    ]
    assert sorted(targets(await sla.breached())) == ["resolution", "response"]


async def test_nothing_is_missed_at_the_deadline_itself(sla: SlaDriver) -> None:
    await sla.deliver(routed())

    at_deadline = await sla.sweep(NOON + hours(24))
    after = await sla.sweep(NOON + hours(24) + MOMENT)

    assert at_deadline.late_by == ()
    assert after.late_by == (MOMENT,)


async def test_a_deadline_is_missed_once_however_often_it_is_swept(sla: SlaDriver) -> None:
    await sla.deliver(received(), routed())

    for later in (25, 26, 27):
        await sla.sweep(NOON + hours(later))

    breaches = await sla.breached()
    assert targets(breaches) == ["response"]
    assert all(one.breached_at == one.due_at for one in breaches)
    assert all(one.detected_at == NOON + hours(25) for one in breaches)


async def test_a_feedback_nobody_classifies_breaches_without_a_department(sla: SlaDriver) -> None:
    await sla.deliver(received())

    await sla.sweep(NOON + hours(2))

    [breach] = await sla.breached()
    assert (breach.target, breach.policy, breach.department) == ("classification", "every", None)


async def test_two_sweeps_at_the_same_time_tell_each_breach_once(sla: SlaDriver) -> None:
    cases = [f"case-{number:02}" for number in range(40)]
    await sla.deliver(*(routed(case) for case in cases))

    async def sweeping() -> int:
        found = 0
        for _ in range(6):
            async with sla.database.writing() as tx:
                swept = await sweep_deadlines(tx, now=NOON + hours(25), limit=10)
                await asyncio.sleep(0.01)
            found += len(swept.late_by)
        return found

    found = await asyncio.gather(*(sweeping() for _ in range(4)))

    breaches = await sla.breached()
    assert sum(found) == len(breaches) == 40
    assert len({one.breach_id for one in breaches}) == 40


async def test_an_answer_during_the_sweep_waits_for_it_and_takes_the_breach_back(sla: SlaDriver) -> None:
    await sla.deliver(routed())
    answer = progressed("answered", at=NOON + hours(1), version=2)

    async with sla.database.writing() as tx:
        await sweep_deadlines(tx, now=NOON + hours(25))
        late = asyncio.create_task(sla.deliver(answer))
        await asyncio.sleep(0.05)
    await late

    assert targets(await sla.breached()) == ["response"]
    assert [one.met_at for one in await sla.retracted()] == [NOON + hours(1)]


async def test_an_answer_stamped_in_time_takes_the_breach_back_when_it_arrives(sla: SlaDriver) -> None:
    await sla.deliver(routed())
    await sla.sweep(NOON + hours(25))

    await sla.deliver(progressed("answered", at=NOON + hours(23), version=2))
    await sla.sweep(NOON + hours(26))

    [breach] = await sla.breached()
    [taken_back] = await sla.retracted()
    assert taken_back.breach_id == breach.breach_id
    assert taken_back.met_at == NOON + hours(23)
    assert taken_back.reason == "done in time, reported late"
    assert (await sla.clocks())["response", 1]["state"] == "met"


async def test_a_hold_reported_late_takes_the_breach_back_until_the_new_deadline(sla: SlaDriver) -> None:
    await sla.deliver(routed(), progressed("answered", at=NOON + hours(1), version=2))
    await sla.sweep(NOON + hours(73))

    await sla.deliver(
        progressed("paused", at=NOON + hours(70), version=3),
        progressed("resumed", at=NOON + hours(71), version=4),
    )
    await sla.sweep(NOON + hours(74))

    first, second = await sla.breached()
    assert (first.due_at, second.due_at) == (NOON + hours(72), NOON + hours(73))
    assert first.breach_id == second.breach_id
    ids = [row.id for row in await sla.service.outbox_rows(topic="sla.breached")]
    assert first.breach_id == str(breach_id("case-1", Target.RESOLUTION, cycle=1))
    assert ids == [str(uuid5(UUID(each.breach_id), each.due_at.isoformat())) for each in (first, second)]


async def test_what_has_passed_while_the_log_was_not_read_is_no_breach_before_the_sweep(
    sla: SlaDriver,
) -> None:
    await sla.deliver(received(), routed())

    await sla.deliver(classified(), progressed("answered", at=NOON + hours(1), version=2))

    assert await sla.breached() == []
    assert await sla.retracted() == []


async def test_a_case_on_hold_is_not_swept(sla: SlaDriver) -> None:
    await sla.deliver(
        routed(),
        progressed("answered", at=NOON + hours(1), version=2),
        progressed("paused", at=NOON + hours(2), version=3),
    )

    swept = await sla.sweep(NOON + hours(1000))

    assert swept.cases == 0


async def test_a_met_clock_is_never_looked_at_again(sla: SlaDriver) -> None:
    await sla.deliver(received(), classified(outcome=Outcome.THANKED))

    assert (await sla.sweep(NOON + hours(1000))).cases == 0


async def test_a_sweep_takes_no_more_than_its_limit_and_the_earliest_first(sla: SlaDriver) -> None:
    await sla.deliver(*(routed(f"case-{number}", at=NOON + hours(number)) for number in range(5)))

    swept = await sla.sweep(NOON + hours(200), limit=2)

    assert swept.cases == 2
    assert {one.ticket_id for one in await sla.breached()} == {"case-0", "case-1"}


async def test_a_check_that_finds_nothing_due_sets_the_next_one(sla: SlaDriver) -> None:
    await sla.deliver(routed())
    async with sla.database.writing() as tx:
        await tx.execute(update(sla_case).values(next_check_at=NOON))

    first = await sla.sweep(NOON + hours(1))
    second = await sla.sweep(NOON + hours(1))

    assert (first.cases, second.cases) == (1, 0)
