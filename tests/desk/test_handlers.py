"""What events do to the desk, in any order and number."""

from datetime import timedelta

import pytest

from huiyin_contracts.people import UnitChanged
from huiyin_contracts.sla import SlaBreached, SlaRetracted, SlaWarned
from huiyin_contracts.tickets import TicketProgressed
from huiyin_contracts.vocabulary import AttachReason, ClockState, RoutingReason, Target
from huiyin_desk.jobs import resume_tickets
from tests.desk.conftest import NOON, attached, routed, scheduled, scheduled_before, told_clock
from tests.support.service import ServiceDriver


async def ticket(desk: ServiceDriver, ticket_id: str = "t-1") -> dict[str, object]:
    found: dict[str, object] = (await desk.client.get(f"/v1/tickets/{ticket_id}")).json()
    return found


async def kinds(desk: ServiceDriver) -> list[str]:
    timeline = (await desk.client.get("/v1/tickets/t-1/timeline")).json()["items"]
    return [entry["kind"] for entry in timeline]


async def test_a_routed_ticket_stands_in_its_departments_queue(desk: ServiceDriver) -> None:
    await desk.deliver(routed())

    found = await ticket(desk)

    assert found["department"] == "logistics"
    assert found["status"] == "dispatched"
    assert found["feedback_ids"] == ["t-1"]
    assert found["created_at"] == "2026-11-20T04:00:00Z"
    assert found["allowed"] == ["accept", "answer", "assign", "merge", "resolve", "return"]


async def test_a_returned_ticket_moves_to_the_department_it_is_routed_to_anew(desk: ServiceDriver) -> None:
    await desk.deliver(routed())
    await desk.client.post("/v1/tickets/t-1/return", json={"reason": "not ours"})

    later = NOON + timedelta(days=3000)
    await desk.deliver(
        routed(department="product", routing=2, reason=RoutingReason.RETURNED, routed_at=later)
    )

    found = await ticket(desk)
    assert (found["department"], found["status"], found["version"]) == ("product", "dispatched", 3)
    assert (await kinds(desk))[-2:] == ["returned", "dispatched"]


async def test_an_older_routing_changes_nothing(desk: ServiceDriver) -> None:
    await desk.deliver(routed(department="product", routing=2))

    await desk.deliver(routed(routing=1))

    assert (await ticket(desk))["department"] == "product"
    assert await kinds(desk) == ["dispatched"]


async def test_a_ticket_names_its_department_in_every_language(desk: ServiceDriver) -> None:
    names = {"zh-CN": "物流部", "en": "Logistics"}
    fields = {"unit_id": "u-1", "slug": "logistics", "kind": "department", "changed_at": NOON}
    await desk.deliver(
        routed(),
        UnitChanged(**fields, names=names, revision=2),
        UnitChanged(**fields, names={"en": "Old"}, revision=1),
    )

    assert (await ticket(desk))["department_names"] == names


async def test_a_follow_up_is_announced_as_the_customers_reply(desk: ServiceDriver) -> None:
    await desk.deliver(routed())

    await desk.deliver(attached("f-2"))

    assert (await ticket(desk))["feedback_ids"] == ["t-1", "f-2"]
    [reply] = await desk.published(TicketProgressed)
    assert (reply.step, reply.text) == ("customer_replied", "还没有人联系我")


async def test_the_same_thing_sent_again_is_kept_but_announced_to_nobody(desk: ServiceDriver) -> None:
    await desk.deliver(routed())

    await desk.deliver(attached("f-2", reason=AttachReason.RESENT))

    assert (await ticket(desk))["feedback_ids"] == ["t-1", "f-2"]
    assert await desk.published(TicketProgressed) == []


async def test_a_follow_up_heard_of_before_its_ticket_is_announced_once_the_ticket_is_there(
    desk: ServiceDriver,
) -> None:
    await desk.deliver(attached("f-2"))
    assert await desk.published(TicketProgressed) == []

    await desk.deliver(routed())
    await desk.deliver(attached("f-3"))

    replies = await desk.published(TicketProgressed)
    assert len(replies) == 2
    assert (await ticket(desk))["feedback_ids"] == ["t-1", "f-2", "f-3"]


async def test_clocks_heard_of_before_the_ticket_count_when_it_is_there(desk: ServiceDriver) -> None:
    due = NOON + timedelta(hours=24)
    await desk.deliver(scheduled(told_clock(Target.RESPONSE, due)))

    await desk.deliver(routed())

    assert (await ticket(desk))["due_at"] == "2026-11-21T04:00:00Z"


async def test_an_answer_makes_the_solution_the_next_thing_due(desk: ServiceDriver) -> None:
    await desk.deliver(
        routed(),
        scheduled(
            told_clock(Target.RESPONSE, NOON + timedelta(hours=24)),
            told_clock(Target.RESOLUTION, NOON + timedelta(hours=72)),
        ),
    )

    await desk.client.post("/v1/tickets/t-1/answer", json={"text": "soon"})

    assert (await ticket(desk))["due_at"] == "2026-11-23T04:00:00Z"


async def test_a_paused_clock_is_not_due(desk: ServiceDriver) -> None:
    due = NOON + timedelta(hours=72)
    await desk.deliver(routed(), scheduled(told_clock(Target.RESOLUTION, due)))

    await desk.deliver(scheduled(told_clock(Target.RESOLUTION, due, state=ClockState.PAUSED)))

    assert (await ticket(desk))["due_at"] is None


async def test_warning_breach_and_retraction_stand_in_the_timeline(desk: ServiceDriver) -> None:
    due = NOON + timedelta(hours=24)
    clock = {"ticket_id": "t-1", "target": Target.RESPONSE, "policy": "ordinary", "due_at": due}
    await desk.deliver(routed(), scheduled(told_clock(Target.RESPONSE, due)))

    await desk.deliver(
        SlaWarned(**clock, percent=50, warned_at=NOON + timedelta(hours=12)),
        SlaBreached(**clock, breach_id="b-1", breached_at=due, detected_at=due),
    )
    overdue = (await ticket(desk))["due_at"]
    await desk.deliver(
        SlaRetracted(**clock, breach_id="b-1", met_at=NOON, retracted_at=due, reason="answered in time"),
        scheduled(told_clock(Target.RESPONSE, due, state=ClockState.MET)),
    )

    assert overdue == "2026-11-21T04:00:00Z"
    assert (await ticket(desk))["due_at"] is None
    assert set(await kinds(desk)) >= {"sla_warned", "sla_breached", "sla_retracted"}


@pytest.mark.parametrize("later_first", [False, True])
async def test_a_clock_told_by_both_contracts_stands_as_the_later_one_says_whichever_comes_first(
    desk: ServiceDriver, *, later_first: bool
) -> None:
    before = scheduled_before(told_clock(Target.RESPONSE, NOON + timedelta(hours=24)))
    after = scheduled(told_clock(Target.RESPONSE, NOON + timedelta(hours=48)))
    again = scheduled(told_clock(Target.RESPONSE, NOON + timedelta(hours=36)))

    await desk.deliver(routed(), *([after, before] if later_first else [before, after]))
    told = (await ticket(desk))["due_at"]
    await desk.deliver(again)

    assert told == "2026-11-22T04:00:00Z"
    assert (await ticket(desk))["due_at"] == "2026-11-21T16:00:00Z"


async def test_what_the_first_contract_told_of_other_clocks_stays(desk: ServiceDriver) -> None:
    before = [
        scheduled_before(told_clock(target, NOON + timedelta(hours=due)))
        for target, due in ((Target.RESPONSE, 24), (Target.RESOLUTION, 72))
    ]

    await desk.deliver(routed(), *before)
    await desk.deliver(scheduled(told_clock(Target.RESPONSE, NOON, state=ClockState.MET)))

    assert (await ticket(desk))["due_at"] == "2026-11-23T04:00:00Z"


async def test_the_classification_clock_is_not_the_departments_business(desk: ServiceDriver) -> None:
    await desk.deliver(routed(), scheduled(told_clock(Target.CLASSIFICATION, NOON)))

    assert (await ticket(desk))["due_at"] is None


async def test_a_pause_that_runs_out_is_resumed_by_the_clock(desk: ServiceDriver) -> None:
    await desk.deliver(routed(), routed("t-2"))
    for ticket_id, until in (("t-1", "2026-11-01T00:00:00Z"), ("t-2", "2999-01-01T00:00:00Z")):
        await desk.client.post(f"/v1/tickets/{ticket_id}/accept")
        await desk.client.post(
            f"/v1/tickets/{ticket_id}/pause", json={"reason": "part ordered", "until": until}
        )

    await resume_tickets(desk.runtime)

    assert (await ticket(desk))["status"] == "accepted"
    assert (await ticket(desk, "t-2"))["status"] == "paused"
    assert (await desk.published(TicketProgressed))[-1].actor == "timer"
