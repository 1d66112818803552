"""Routing rules as the operator keeps them: order, changes, and trying them first."""

from typing import Any

import pytest

from huiyin_chassis.clock import utc_now
from huiyin_contracts.feedback import FeedbackClassified
from huiyin_contracts.tickets import TicketRouted
from huiyin_contracts.vocabulary import Outcome
from huiyin_router.domain.rules import SHIPPED_RULES
from huiyin_router.usecases.rules import seed_rules
from tests.router.feedback import BROKEN, FOREIGN, LATE_DELIVERY, PRAISE, feedback, unit
from tests.support.service import ServiceDriver, pointers

RULES = "/v1/routing-rules"


@pytest.fixture(autouse=True)
async def departments(router: ServiceDriver) -> None:
    """Let the router know some departments."""
    await router.deliver(*(unit(slug) for slug in ("logistics", "product", "marketing")))


def rule(**changes: Any) -> dict[str, Any]:
    """Return a valid rule; a change to None leaves the field out."""
    full = {
        "name": "first",
        "when": {"channel": "wechat"},
        "department": "marketing",
        "position": 1,
        **changes,
    }
    return {name: value for name, value in full.items() if value is not None}


async def listed(router: ServiceDriver) -> list[dict[str, Any]]:
    """Return all rules in their order."""
    items: list[dict[str, Any]] = (await router.client.get(RULES, params={"limit": "200"})).json()["items"]
    return items


async def test_a_new_router_has_the_shipped_rules_in_order_and_seeds_them_once(router: ServiceDriver) -> None:
    async with router.database.writing() as tx:
        await seed_rules(tx, now=utc_now())

    assert [item["name"] for item in await listed(router)] == [shipped.name for shipped in SHIPPED_RULES]


async def test_a_rule_put_first_decides_first(router: ServiceDriver) -> None:
    made = await router.client.post(RULES, json=rule(priority=0, complex=True))

    await router.deliver(feedback(PRAISE))

    assert made.status_code == 201
    assert made.headers["ETag"] == '"1"'
    [routed] = await router.published(TicketRouted)
    assert (routed.department, routed.rule, routed.priority) == ("marketing", "first", 0)
    assert routed.labels.complex


async def test_a_rule_sent_again_with_its_idempotency_key_is_made_once(router: ServiceDriver) -> None:
    keyed = {"Idempotency-Key": "try-1"}
    first = await router.client.post(RULES, json=rule(), headers=keyed)

    again = await router.client.post(RULES, json=rule(), headers=keyed)

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert [item["name"] for item in await listed(router)].count("first") == 1


async def test_a_rule_without_a_position_comes_last(router: ServiceDriver) -> None:
    await router.client.post(RULES, json=rule(position=None))

    assert (await listed(router))[-1]["name"] == "first"


async def test_an_operators_rule_may_call_something_no_feedback(router: ServiceDriver) -> None:
    body = rule(department=None, outcome="not_feedback", when={"text_contains": "外卖"})
    await router.client.post(RULES, json=body)

    await router.deliver(feedback(LATE_DELIVERY), feedback(BROKEN))

    outcomes = [one.outcome for one in await router.published(FeedbackClassified)]
    assert sorted(outcomes) == [Outcome.NOT_FEEDBACK, Outcome.TICKET]


async def test_a_changed_rule_decides_otherwise_from_then_on(router: ServiceDriver) -> None:
    made = (await router.client.post(RULES, json=rule())).json()

    changed = await router.client.patch(
        f"{RULES}/{made['id']}", json={"outcome": "triage"}, headers={"If-Match": '"1"'}
    )
    await router.deliver(feedback(LATE_DELIVERY))

    assert (changed.json()["outcome"], changed.json()["department"]) == ("triage", None)
    assert changed.headers["ETag"] == '"2"'
    [classified] = await router.published(FeedbackClassified)
    assert (classified.outcome, classified.reason) == (Outcome.TRIAGE, "rule first")


async def test_a_rule_can_be_switched_off_moved_and_removed(router: ServiceDriver) -> None:
    path = f"{RULES}/{(await router.client.post(RULES, json=rule())).json()['id']}"

    moved = await router.client.patch(path, json={"position": 999, "active": False})
    await router.deliver(feedback(LATE_DELIVERY))
    removed = await router.client.delete(path)

    assert (moved.json()["position"], moved.json()["active"]) == (999, False)
    assert (await router.published(TicketRouted))[0].department == "logistics"
    assert removed.status_code == 204
    assert (await router.client.get(path)).status_code == 404
    assert (await router.client.delete(path)).status_code == 404


async def test_a_change_to_the_same_is_no_change_and_a_stale_one_is_refused(router: ServiceDriver) -> None:
    path = f"{RULES}/{(await router.client.post(RULES, json=rule())).json()['id']}"

    same = await router.client.patch(path, json={"department": "marketing", "when": {"channel": ["wechat"]}})
    stale = await router.client.patch(path, json={"active": False}, headers={"If-Match": '"9"'})
    kept = await router.client.delete(path, headers={"If-Match": '"9"'})

    assert same.json()["revision"] == 1
    assert stale.status_code == kept.status_code == 412


async def test_two_rules_cannot_share_a_name(router: ServiceDriver) -> None:
    made = (await router.client.post(RULES, json=rule())).json()

    again = await router.client.post(RULES, json=rule())
    renamed = await router.client.patch(f"{RULES}/{made['id']}", json={"name": "praise"})

    assert again.status_code == renamed.status_code == 409
    assert again.json()["type"].endswith("/rule-exists")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"department": None}, "#"),
        ({"outcome": "thanked"}, "#"),
        ({"department": None, "outcome": "ticket"}, "#/outcome"),
        ({"name": "Not A Slug"}, "#/name"),
        ({"when": {"moon": "full"}}, "#/when/moon"),
        ({"when": {"min_confidence": 2}}, "#/when/min_confidence"),
        ({"when": {"text_contains": ["x"] * 51}}, "#/when/text_contains"),
        ({"priority": 10}, "#/priority"),
        ({"position": -1}, "#/position"),
    ],
)
async def test_a_rule_that_is_none_is_refused_with_its_place(
    router: ServiceDriver, changes: dict[str, Any], pointer: str
) -> None:
    answer = await router.client.post(RULES, json=rule(**changes))

    assert answer.status_code == 422
    assert pointers(answer) == [pointer]


async def test_a_rule_for_a_department_nobody_knows_is_refused(router: ServiceDriver) -> None:
    made = (await router.client.post(RULES, json=rule())).json()

    for answer in (
        await router.client.post(RULES, json=rule(name="other", department="legal")),
        await router.client.patch(f"{RULES}/{made['id']}", json={"department": "legal"}),
    ):
        assert answer.status_code == 422
        assert answer.json()["type"].endswith("/department-unknown")


async def test_a_dry_run_tells_what_would_end_elsewhere_and_changes_nothing(router: ServiceDriver) -> None:
    late = feedback(LATE_DELIVERY)
    await router.deliver(late, feedback(BROKEN), feedback(PRAISE))
    everything_else = rule(name="else", department="product", when={})

    answer = await router.client.post(
        f"{RULES}/dry-run",
        json={
            "rules": [
                rule(name="thanks", department=None, outcome="thanked", when={"nature": "praise"}),
                everything_else,
            ]
        },
    )

    assert answer.json() == {
        "examined": 3,
        "changed": 1,
        "differences": [
            {
                "feedback_id": late.feedback_id,
                "now": {"outcome": "ticket", "department": "logistics"},
                "then": {"outcome": "ticket", "department": "product"},
                "rule": "else",
            }
        ],
    }
    assert len(await router.published(FeedbackClassified)) == 3


async def test_a_dry_run_without_rules_tries_those_in_force_on_what_was_decided_before_them(
    router: ServiceDriver,
) -> None:
    await router.deliver(feedback(LATE_DELIVERY), feedback(FOREIGN))
    before = await router.client.post(f"{RULES}/dry-run", json={})
    await router.client.post(RULES, json=rule(when={"type": "logistics"}))

    after = await router.client.post(f"{RULES}/dry-run", json={"limit": 10})

    assert (before.json()["examined"], before.json()["changed"]) == (2, 0)
    assert after.json()["changed"] >= 1
    assert {each["rule"] for each in after.json()["differences"]} == {"first"}


async def test_a_dry_run_leaves_out_what_people_decided(router: ServiceDriver) -> None:
    posted = feedback(LATE_DELIVERY)
    await router.deliver(posted)
    body = {"department": "marketing", "reason": "theirs"}
    await router.client.post(f"/v1/classifications/{posted.feedback_id}/correct", json=body)

    answer = await router.client.post(f"{RULES}/dry-run", json={})

    assert answer.json()["examined"] == 0


async def test_a_dry_run_is_bounded(router: ServiceDriver) -> None:
    answer = await router.client.post(f"{RULES}/dry-run", json={"limit": 5000})

    assert answer.status_code == 422
    assert pointers(answer) == ["#/limit"]
