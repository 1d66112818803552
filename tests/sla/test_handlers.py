"""Events start, move and stop clocks, in whatever order they come."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from huiyin_chassis.clock import utc_now
from huiyin_contracts.event import Event
from huiyin_contracts.vocabulary import Outcome
from huiyin_sla.models import clock
from tests.sla.driver import (
    NOON,
    SlaDriver,
    attached,
    classified,
    hours,
    progressed,
    received,
    routed,
    targets,
)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def stored(sla: SlaDriver) -> list[tuple[object, ...]]:
    async with sla.database.reading() as tx:
        found = await tx.execute(select(clock).order_by(clock.c.ticket_id, clock.c.target, clock.c.cycle))
        return [tuple(row) for row in found]


async def test_a_received_feedback_must_be_classified_within_the_hour(sla: SlaDriver) -> None:
    now = utc_now()

    await sla.deliver(received(at=now))

    [clocks] = (await sla.clocks()).values()
    assert (clocks["target"], clocks["state"], clocks["policy"]) == ("classification", "running", "every")
    assert instant(clocks["due_at"]) == now + hours(1)
    assert await sla.schedules() == []


async def test_what_a_routing_starts_is_told_in_one_event_of_the_case(sla: SlaDriver) -> None:
    await sla.deliver_together(received(), classified(), routed())

    [event] = await sla.schedules()
    assert (event.key, event.department) == ("case-1", "logistics")
    assert [(one.target, one.state, one.due_at, one.calendar) for one in event.clocks] == [
        ("classification", "met", NOON + hours(1), "cn"),
        ("response", "running", NOON + hours(24), "cn"),
        ("resolution", "running", NOON + hours(72), "cn"),
    ]


async def test_a_classification_is_told_of_when_it_is_there_and_not_before(sla: SlaDriver) -> None:
    await sla.deliver(received(), classified(outcome=Outcome.TRIAGE))
    before = await sla.schedules()

    await sla.deliver(classified(at=NOON + hours(0.5), revision=2))
    await sla.deliver(routed(at=NOON + hours(0.5)))

    assert before == []
    told = [[one.target.value for one in event.clocks] for event in await sla.schedules()]
    assert told == [["classification"], ["response", "resolution"]]


async def test_a_classification_that_nobody_was_told_of_breaches_and_is_told_once_it_is_there(
    sla: SlaDriver,
) -> None:
    await sla.deliver(received())
    await sla.sweep(NOON + hours(2))
    breaches, before = await sla.breached(), await sla.schedules()

    await sla.deliver(classified(at=NOON + hours(3)))

    assert targets(breaches) == ["classification"]
    assert before == []
    [told] = await sla.scheduled()
    assert (told.target, told.state, told.met_at) == ("classification", "breached", NOON + hours(3))
    assert len(await sla.breached()) == 1


@pytest.mark.parametrize(
    ("labelled", "response", "resolution"),
    [
        ({"urgency": "normal"}, NOON + hours(24), NOON + hours(72)),
        ({"urgency": "urgent"}, NOON + hours(4), NOON + hours(24)),
        ({"is_complex": True}, NOON + hours(48), instant("2026-11-30T18:00:00+08:00")),
        ({"urgency": "complaint"}, NOON + hours(48), instant("2026-11-30T18:00:00+08:00")),
    ],
)
async def test_a_routing_starts_the_clocks_of_its_policy(
    sla: SlaDriver, labelled: dict[str, Any], response: datetime, resolution: datetime
) -> None:
    await sla.deliver(routed(**labelled))

    events = {event.target.value: event for event in await sla.scheduled()}
    assert {target: event.due_at for target, event in events.items()} == {
        "response": response,
        "resolution": resolution,
    }
    assert {event.department for event in events.values()} == {"logistics"}


async def test_working_days_skip_national_day_and_count_the_make_up_days(sla: SlaDriver) -> None:
    await sla.deliver(routed(at=instant("2026-09-29T16:00:00+08:00"), is_complex=True))

    [due_at] = [event.due_at for event in await sla.scheduled() if event.target == "resolution"]
    # 30 September is day 1; 1 to 7 October are off; 8, 9, 10 (Saturday, made up) and 12 October follow.
    assert due_at == instant("2026-10-12T18:00:00+08:00")


async def test_the_outcome_stops_the_classification_clock_and_triage_does_not(sla: SlaDriver) -> None:
    await sla.deliver(received(), classified(at=NOON + hours(0.2), outcome=Outcome.TRIAGE))
    before = await sla.clocks()
    await sla.deliver(classified(at=NOON + hours(0.9), revision=2, outcome=Outcome.THANKED))

    assert before["classification", 1]["met_at"] is None
    after = (await sla.clocks())["classification", 1]
    assert after["state"] == "met"
    assert instant(after["met_at"]) == NOON + hours(0.9)


async def test_attached_feedback_is_a_case_of_its_own_and_met(sla: SlaDriver) -> None:
    joins = [
        received("case-2"),
        attached("case-2", to="case-1", at=NOON + hours(0.1)),
        classified("case-2", at=NOON + hours(0.1), outcome=Outcome.ATTACHED, ticket_id="case-1"),
    ]

    await sla.deliver(received(), classified(), routed(), *joins)

    assert {key: one["state"] for key, one in (await sla.clocks("case-2")).items()} == {
        ("classification", 1): "met"
    }
    assert ("response", 1) in await sla.clocks("case-1")


async def test_an_answer_stops_the_response_and_a_solution_the_resolution(sla: SlaDriver) -> None:
    await sla.deliver(routed())

    await sla.deliver(
        progressed("accepted", at=NOON + hours(1), version=2),
        progressed("answered", at=NOON + hours(2), version=3),
        progressed("resolved", at=NOON + hours(30), version=4),
    )

    clocks = await sla.clocks()
    assert {key: one["state"] for key, one in clocks.items()} == {
        ("response", 1): "met",
        ("resolution", 1): "met",
    }
    assert instant(clocks["response", 1]["met_at"]) == NOON + hours(2)
    assert instant(clocks["resolution", 1]["met_at"]) == NOON + hours(30)


async def test_a_hold_moves_the_resolution_by_its_length_and_leaves_the_response(sla: SlaDriver) -> None:
    await sla.deliver(routed(), progressed("paused", at=NOON + hours(2), version=2))
    held = await sla.clocks()
    await sla.deliver(progressed("resumed", at=NOON + hours(12), version=3))

    assert held["resolution", 1]["state"] == "paused"
    assert [(event.target, event.due_at) for event in (await sla.scheduled())[-1:]] == [
        ("resolution", NOON + hours(82))
    ]
    assert instant((await sla.clocks())["response", 1]["due_at"]) == NOON + hours(24)


async def test_a_reopened_ticket_gets_the_clocks_of_its_next_cycle(sla: SlaDriver) -> None:
    await sla.deliver(
        routed(urgency="urgent"),
        progressed("resolved", at=NOON + hours(3), version=2),
        progressed("reopened", at=NOON + hours(10), version=3, cycle=2),
    )

    clocks = await sla.clocks()
    assert {key: one["state"] for key, one in clocks.items() if key[1] == 1} == {
        ("response", 1): "met",
        ("resolution", 1): "met",
    }
    assert instant(clocks["response", 2]["due_at"]) == NOON + hours(14)
    assert instant(clocks["resolution", 2]["due_at"]) == NOON + hours(34)


async def test_a_returned_ticket_routed_anew_keeps_its_deadlines_and_tells_its_new_department(
    sla: SlaDriver,
) -> None:
    await sla.deliver(routed())
    told = len(await sla.scheduled())

    await sla.deliver(
        progressed("returned", at=NOON + hours(1), version=2),
        routed(at=NOON + hours(2), routing=2, department="product"),
    )

    clocks = await sla.clocks()
    assert {one["department"] for one in clocks.values()} == {"product"}
    assert instant(clocks["response", 1]["due_at"]) == NOON + hours(24)
    assert len(await sla.scheduled()) == told
    await sla.sweep(NOON + hours(25))
    assert [event.department for event in await sla.breached()] == ["product"]


async def test_an_older_routing_that_arrives_late_does_not_move_the_case_back(sla: SlaDriver) -> None:
    await sla.deliver(routed(at=NOON + hours(2), routing=2, department="product"))

    await sla.deliver(routed())

    clocks = await sla.clocks()
    assert {one["department"] for one in clocks.values()} == {"product"}
    assert instant(clocks["response", 1]["started_at"]) == NOON


async def test_a_merged_ticket_waits_for_nothing_more(sla: SlaDriver) -> None:
    await sla.deliver(routed(), progressed("merged", at=NOON + hours(1), version=2))

    await sla.sweep(NOON + hours(100))

    assert {one["state"] for one in (await sla.clocks()).values()} == {"cancelled"}
    assert await sla.breached() == []


async def test_the_same_event_again_changes_nothing_and_tells_nothing(sla: SlaDriver) -> None:
    story = [received(), classified(), routed(), progressed("answered", at=NOON + hours(1), version=2)]
    await sla.deliver(*story)
    before, told = await stored(sla), len(await sla.scheduled())

    await sla.deliver(*story)

    assert await stored(sla) == before
    assert len(await sla.scheduled()) == told


STORY: list[Event] = [
    received(),
    classified(at=NOON + hours(0.1), outcome=Outcome.TRIAGE),
    classified(at=NOON + hours(0.5), revision=2),
    routed(at=NOON + hours(0.5), is_complex=True),
    routed(at=NOON + hours(5), routing=2, department="product"),
    progressed("answered", at=NOON + hours(20), version=2),
    progressed("paused", at=NOON + hours(21), version=3),
    progressed("resumed", at=NOON + hours(45), version=4),
    progressed("resolved", at=NOON + hours(60), version=5),
    progressed("reopened", at=NOON + hours(70), version=6, cycle=2),
    progressed("answered", at=NOON + hours(71), version=7, cycle=2),
]


async def test_any_order_of_arrival_gives_the_same_clocks(sla: SlaDriver) -> None:
    random = Random(7)
    for number in range(8):
        story = [
            event.model_copy(
                update={
                    key: f"case-{number}"
                    for key in ("feedback_id", "ticket_id", "case_id")
                    if hasattr(event, key)
                }
            )
            for event in STORY
        ]
        if number:
            random.shuffle(story)
        for event in story if number % 2 else [*story, *story]:
            await sla.deliver(event)

    found = await stored(sla)
    by_case = [[row[1:] for row in found if row[0] == f"case-{number}"] for number in range(8)]
    assert len(by_case[0]) == 5
    assert all(clocks == by_case[0] for clocks in by_case)


async def test_one_batch_may_hold_many_events_of_many_cases(sla: SlaDriver) -> None:
    cases = [f"case-{number:03}" for number in range(120)]

    await sla.deliver(*(received(case) for case in cases), *(received(case) for case in cases))
    await sla.deliver(*(routed(case) for case in cases))

    assert len(await stored(sla)) == 360
    # What a routing stops and what it starts, together.
    assert [len(event.clocks) for event in await sla.schedules()] == [3] * 120


async def test_an_event_tells_the_one_that_led_to_it(sla: SlaDriver) -> None:
    await sla.deliver(routed())

    rows = await sla.service.outbox_rows(topic="sla.scheduled.v2")
    assert rows
    assert all("ce_causationid" in row.headers and "ce_correlationid" in row.headers for row in rows)


async def test_an_answer_too_late_is_a_breach_with_the_time_of_the_deadline(sla: SlaDriver) -> None:
    await sla.deliver(routed(), progressed("answered", at=NOON + timedelta(hours=24, seconds=1), version=2))

    [breach] = await sla.breached()
    assert breach.breached_at == breach.due_at == NOON + hours(24)
    clocks = await sla.clocks()
    assert clocks["response", 1]["state"] == "breached"
    assert instant(clocks["response", 1]["met_at"]) == NOON + timedelta(hours=24, seconds=1)
    assert targets(await sla.breached()) == ["response"]
