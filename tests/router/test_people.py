"""What people decide: triage in one call, corrections, and what each key may see."""

from collections.abc import Mapping
from typing import Any

import pytest

from huiyin_contracts.feedback import FeedbackClassified
from huiyin_contracts.tickets import TicketRouted
from huiyin_contracts.vocabulary import Outcome, RoutingReason
from tests.router.feedback import BROKEN, FOREIGN, LATE_DELIVERY, PRAISE, feedback, unit
from tests.support.service import ServiceDriver, pointers

DEPARTMENTS = ("product", "customer-service", "design", "marketing", "logistics")


@pytest.fixture(autouse=True)
async def departments(router: ServiceDriver) -> None:
    """Let the router know the shipped departments."""
    await router.deliver(*(unit(slug) for slug in DEPARTMENTS))


async def waiting(router: ServiceDriver) -> str:
    """Put a feedback into triage and return its id."""
    posted = feedback(FOREIGN, author="u-1")
    await router.deliver(posted)
    return posted.feedback_id


async def decide(router: ServiceDriver, feedback_id: str, body: Mapping[str, Any], **options: Any) -> Any:
    """Post a decision."""
    return await router.client.post(f"/v1/triage/{feedback_id}/decide", json=body, **options)


async def correct(router: ServiceDriver, feedback_id: str, body: Mapping[str, Any], **options: Any) -> Any:
    """Post a correction with a reason."""
    full = {"reason": "seen by a person", **body}
    return await router.client.post(f"/v1/classifications/{feedback_id}/correct", json=full, **options)


async def corrections(router: ServiceDriver, feedback_id: str) -> list[dict[str, Any]]:
    """Return what was changed about a classification."""
    answer = await router.client.get(f"/v1/classifications/{feedback_id}/corrections")
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_triage_shows_what_waits_with_its_words_and_proposed_labels_oldest_first(
    router: ServiceDriver,
) -> None:
    first, second = await waiting(router), await waiting(router)

    answer = await router.client.get("/v1/triage")

    items = answer.json()["items"]
    assert [item["feedback_id"] for item in items] == sorted([first, second])
    assert items[0]["text"] == FOREIGN
    assert items[0]["labels"]["nature"] in {"complaint", "other", "praise", "inquiry", "suggestion"}
    assert set(items[0]["confidence"]) == {"nature", "type", "subtype", "urgency", "sentiment"}
    assert items[0]["received_at"] == "2026-11-20T12:00:01Z"


@pytest.mark.parametrize(("kind", "status"), [("team", 200), ("store", 422), ("region", 422)])
async def test_tickets_go_to_departments_and_teams_and_never_to_where_feedback_comes_from(
    router: ServiceDriver, kind: str, status: int
) -> None:
    await router.deliver(unit("shanghai-01", kind=kind))

    answer = await decide(router, await waiting(router), {"department": "shanghai-01"})

    assert answer.status_code == status


async def test_a_decision_for_a_department_routes_the_ticket_with_the_labels_given(
    router: ServiceDriver,
) -> None:
    feedback_id = await waiting(router)
    labels = {"nature": "complaint", "subtype": "delivery", "sentiment": "negative"}

    answer = await decide(router, feedback_id, {"department": "logistics", "labels": labels})

    assert answer.status_code == 200
    assert (answer.json()["outcome"], answer.json()["department"]) == ("ticket", "logistics")
    assert answer.json()["decided_by"] == "operator"
    assert answer.headers["ETag"] == '"2"'
    [routed] = await router.published(TicketRouted)
    assert routed.ticket_id == feedback_id
    assert routed.reason is RoutingReason.TRIAGE
    assert (routed.labels.type, routed.labels.subtype) == ("logistics", "delivery")
    assert routed.text == FOREIGN
    classified = (await router.published(FeedbackClassified))[-1]
    assert (classified.outcome, classified.revision) == (Outcome.TICKET, 2)
    assert (await router.client.get("/v1/triage")).json()["items"] == []


async def test_a_decision_that_it_is_no_feedback_ends_it_with_the_reason(router: ServiceDriver) -> None:
    feedback_id = await waiting(router)

    answer = await decide(router, feedback_id, {"not_feedback": True, "reason": "advertisement"})

    assert answer.json()["outcome"] == "not_feedback"
    classified = (await router.published(FeedbackClassified))[-1]
    assert (classified.outcome, classified.reason) == (Outcome.NOT_FEEDBACK, "advertisement")
    assert await router.published(TicketRouted) == []


@pytest.mark.parametrize(
    "body", [{"department": "logistics"}, {"not_feedback": True, "reason": "advertisement"}]
)
async def test_the_same_decision_again_changes_nothing(router: ServiceDriver, body: dict[str, Any]) -> None:
    feedback_id = await waiting(router)
    first = await decide(router, feedback_id, body)

    again = await decide(router, feedback_id, body)

    assert again.status_code == 200
    assert again.json() == first.json()
    assert len(await router.published(FeedbackClassified)) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"department": "product"},
        {"department": "logistics", "labels": {"nature": "suggestion"}},
        {"not_feedback": True, "reason": "spam"},
    ],
)
async def test_another_decision_afterwards_is_a_conflict_that_tells_what_was_decided(
    router: ServiceDriver, other: dict[str, Any]
) -> None:
    feedback_id = await waiting(router)
    await decide(router, feedback_id, {"department": "logistics", "labels": {"nature": "complaint"}})

    answer = await decide(router, feedback_id, other)

    assert answer.status_code == 409
    assert (answer.json()["outcome"], answer.json()["department"]) == ("ticket", "logistics")
    assert len(await router.published(FeedbackClassified)) == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"department": "logistics", "not_feedback": True, "reason": "x"}, "#"),
        ({"not_feedback": True}, "#"),
        ({"not_feedback": False, "reason": "x"}, "#/not_feedback"),
        ({"not_feedback": True, "reason": "x", "labels": {}}, "#"),
        ({"department": "logistics", "labels": {"nature": "rant"}}, "#/labels/nature"),
        ({"department": "Logistics!"}, "#/department"),
        ({"department": "logistics", "surprise": 1}, "#/surprise"),
    ],
)
async def test_a_decision_that_is_none_is_refused_with_its_place(
    router: ServiceDriver, body: dict[str, Any], pointer: str
) -> None:
    feedback_id = await waiting(router)

    answer = await decide(router, feedback_id, body)

    assert answer.status_code == 422
    assert pointers(answer) == [pointer]
    assert len(await router.published(FeedbackClassified)) == 1


async def test_a_department_nobody_knows_or_that_is_closed_is_refused(router: ServiceDriver) -> None:
    feedback_id = await waiting(router)
    await router.deliver(unit("design", active=False, revision=2))

    for department in ("legal", "design"):
        answer = await decide(router, feedback_id, {"department": department})

        assert answer.status_code == 422
        assert answer.json()["type"].endswith("/department-unknown")


async def test_a_subtype_of_another_type_is_refused(router: ServiceDriver) -> None:
    feedback_id = await waiting(router)
    labels = {"type": "logistics", "subtype": "attitude"}

    answer = await decide(router, feedback_id, {"department": "logistics", "labels": labels})

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/labels-contradict")


async def test_unknown_feedback_is_not_found(router: ServiceDriver) -> None:
    assert (await decide(router, "nobody", {"department": "logistics"})).status_code == 404
    assert (await correct(router, "nobody", {"department": "logistics"})).status_code == 404
    assert (await router.client.get("/v1/classifications/nobody")).status_code == 404
    assert (await router.client.get("/v1/classifications/nobody/corrections")).status_code == 404


async def test_a_stale_etag_is_refused(router: ServiceDriver) -> None:
    feedback_id = await waiting(router)
    headers = {"If-Match": '"7"'}

    assert (
        await decide(router, feedback_id, {"department": "logistics"}, headers=headers)
    ).status_code == 412
    assert (await correct(router, feedback_id, {"outcome": "thanked"}, headers=headers)).status_code == 412


async def test_a_corrected_department_moves_the_ticket_and_is_written_down(router: ServiceDriver) -> None:
    posted = feedback(LATE_DELIVERY)
    await router.deliver(posted)

    answer = await correct(router, posted.feedback_id, {"department": "marketing"})

    assert answer.json()["department"] == "marketing"
    routed = (await router.published(TicketRouted))[-1]
    assert (routed.previous_department, routed.department, routed.routing) == ("logistics", "marketing", 2)
    assert routed.reason is RoutingReason.CORRECTED
    [kept] = await corrections(router, posted.feedback_id)
    assert (kept["actor"], kept["reason"], kept["revision"]) == ("operator", "seen by a person", 2)
    assert (kept["before"]["department"], kept["after"]["department"]) == ("logistics", "marketing")


async def test_corrected_labels_move_the_ticket_when_the_rules_say_so(router: ServiceDriver) -> None:
    posted = feedback(LATE_DELIVERY)
    await router.deliver(posted)

    answer = await correct(router, posted.feedback_id, {"labels": {"subtype": "attitude"}})

    assert answer.json()["labels"]["type"] == "service"
    assert answer.json()["department"] == "customer-service"
    assert (await router.published(TicketRouted))[-1].rule == "service"


async def test_corrected_labels_that_mean_the_same_department_leave_the_ticket_where_it_is(
    router: ServiceDriver,
) -> None:
    posted = feedback(LATE_DELIVERY)
    await router.deliver(posted)
    await correct(router, posted.feedback_id, {"department": "marketing"})

    answer = await correct(router, posted.feedback_id, {"labels": {"urgency": "complaint"}})

    assert answer.json()["labels"]["complex"] is True
    assert answer.json()["department"] == "marketing"
    assert len(await router.published(TicketRouted)) == 2
    classified = (await router.published(FeedbackClassified))[-1]
    assert (classified.labels.urgency, classified.revision) == ("complaint", 3)


async def test_corrections_tell_oldest_first_what_stood_before_and_after_page_by_page(
    router: ServiceDriver,
) -> None:
    posted, other = feedback(LATE_DELIVERY), feedback(LATE_DELIVERY)
    await router.deliver(posted, other)
    await correct(router, posted.feedback_id, {"department": "marketing"})
    await correct(router, posted.feedback_id, {"labels": {"subtype": "attitude"}, "department": "design"})
    await correct(router, other.feedback_id, {"department": "design"})
    path = f"/v1/classifications/{posted.feedback_id}/corrections"

    first = (await router.client.get(path, params={"limit": "1"})).json()
    second = (await router.client.get(path, params={"limit": "1", "cursor": first["next"]})).json()

    [moved], [labelled] = first["items"], second["items"]
    assert second["next"] is None
    assert (moved["revision"], labelled["revision"]) == (2, 3)
    assert labelled["before"] == moved["after"]
    assert (labelled["before"]["department"], labelled["after"]["department"]) == ("marketing", "design")
    assert (labelled["before"]["labels"]["type"], labelled["after"]["labels"]["type"]) == (
        "logistics",
        "service",
    )
    assert labelled["after"]["ticket_id"] == posted.feedback_id
    assert labelled["after"]["outcome"] == "ticket"


async def test_what_nobody_changed_has_no_corrections(router: ServiceDriver) -> None:
    posted = feedback(LATE_DELIVERY)
    await router.deliver(posted)

    assert await corrections(router, posted.feedback_id) == []


async def test_a_decision_in_triage_is_kept_among_the_corrections(router: ServiceDriver) -> None:
    feedback_id = await waiting(router)
    await decide(router, feedback_id, {"not_feedback": True, "reason": "advertisement"})

    [kept] = await corrections(router, feedback_id)

    assert (kept["before"]["outcome"], kept["after"]["outcome"]) == ("triage", "not_feedback")
    assert kept["reason"] == "advertisement"


async def test_a_correction_to_what_is_so_already_changes_nothing(router: ServiceDriver) -> None:
    posted = feedback(LATE_DELIVERY)
    await router.deliver(posted)

    answer = await correct(router, posted.feedback_id, {"department": "logistics"})

    assert answer.json()["revision"] == 1
    assert len(await router.published(FeedbackClassified)) == 1


async def test_what_was_thanked_by_mistake_becomes_a_ticket(router: ServiceDriver) -> None:
    posted = feedback(PRAISE)
    await router.deliver(posted)
    labels = {"nature": "complaint", "subtype": "defect"}

    answer = await correct(router, posted.feedback_id, {"outcome": "ticket", "labels": labels})

    assert (answer.json()["outcome"], answer.json()["department"]) == ("ticket", "product")
    [routed] = await router.published(TicketRouted)
    assert (routed.routing, routed.reason) == (1, RoutingReason.CORRECTED)


async def test_a_ticket_cannot_be_taken_back_by_a_correction(router: ServiceDriver) -> None:
    posted = feedback(LATE_DELIVERY)
    await router.deliver(posted)

    answer = await correct(router, posted.feedback_id, {"outcome": "not_feedback"})

    assert answer.status_code == 409
    assert answer.json()["type"].endswith("/ticket-stands")


async def test_what_is_attached_keeps_its_ticket_but_takes_better_labels(router: ServiceDriver) -> None:
    posted = feedback(LATE_DELIVERY, author="u-1")
    follow_up = feedback("快点！", author="u-1")
    await router.deliver(posted)
    await router.deliver(follow_up)

    moved = await correct(router, follow_up.feedback_id, {"department": "product"})
    labelled = await correct(router, follow_up.feedback_id, {"labels": {"urgency": "urgent"}})

    assert moved.status_code == 409
    assert labelled.json()["labels"]["urgency"] == "urgent"
    assert labelled.json()["ticket_id"] == posted.feedback_id


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"outcome": "attached"}, "#/outcome"),
        ({"outcome": "thanked", "department": "product"}, "#"),
        ({"labels": {"urgency": "other"}}, "#/labels/urgency"),
        ({"department": "product", "reason": ""}, "#/reason"),
    ],
)
async def test_a_correction_that_is_none_is_refused_with_its_place(
    router: ServiceDriver, body: dict[str, Any], pointer: str
) -> None:
    answer = await correct(router, await waiting(router), body)

    assert answer.status_code == 422
    assert pointers(answer) == [pointer]


async def test_classifications_are_listed_newest_first_page_by_page(router: ServiceDriver) -> None:
    posted = [feedback(LATE_DELIVERY) for _ in range(5)]
    await router.deliver(*posted, feedback(PRAISE))
    seen: list[str] = []
    cursor = None

    while True:
        params = {"outcome": "ticket", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        answer = (await router.client.get("/v1/classifications", params=params)).json()
        seen += [item["feedback_id"] for item in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break

    assert seen == sorted((one.feedback_id for one in posted), reverse=True)


async def test_an_outcome_that_does_not_exist_is_refused(router: ServiceDriver) -> None:
    answer = await router.client.get("/v1/classifications", params={"outcome": "lost"})

    assert answer.status_code == 422
    assert pointers(answer) == ["outcome"]


async def test_a_department_sees_only_what_was_routed_to_it(router: ServiceDriver) -> None:
    late, broken = feedback(LATE_DELIVERY), feedback(BROKEN)
    await router.deliver(late, broken, feedback(FOREIGN))
    scopes = ("classifications:read", "triage:decide")
    client = await router.key("department", departments=["logistics"], scopes=scopes)

    listed = await client.get("/v1/classifications")

    assert [item["feedback_id"] for item in listed.json()["items"]] == [late.feedback_id]
    assert (await client.get(f"/v1/classifications/{late.feedback_id}")).status_code == 200
    assert (await client.get(f"/v1/classifications/{broken.feedback_id}")).status_code == 404
    assert (await client.get(f"/v1/classifications/{late.feedback_id}/corrections")).status_code == 200
    assert (await client.get(f"/v1/classifications/{broken.feedback_id}/corrections")).status_code == 404
    body = {"department": "logistics", "reason": "mine"}
    foreign = await client.post(f"/v1/classifications/{broken.feedback_id}/correct", json=body)
    assert foreign.status_code == 404
    assert (await client.get("/v1/triage")).json()["items"] == []


DOORS = (
    ("GET", "/v1/classifications", "classifications:read"),
    ("GET", "/v1/classifications/x", "classifications:read"),
    ("GET", "/v1/classifications/x/corrections", "classifications:read"),
    ("GET", "/v1/triage", "triage:decide"),
    ("POST", "/v1/triage/x/decide", "triage:decide"),
    ("POST", "/v1/classifications/x/correct", "triage:decide"),
    ("GET", "/v1/routing-rules", "routing:manage"),
    ("POST", "/v1/routing-rules", "routing:manage"),
    ("POST", "/v1/routing-rules/dry-run", "routing:manage"),
    ("GET", "/v1/routing-rules/x", "routing:manage"),
    ("PATCH", "/v1/routing-rules/x", "routing:manage"),
    ("DELETE", "/v1/routing-rules/x", "routing:manage"),
)


async def test_every_door_asks_for_its_scope(router: ServiceDriver) -> None:
    client = await router.key("department", departments=["logistics"])

    for method, path, scope in DOORS:
        refused = await client.request(method, path)
        nobody = await router.anonymous().request(method, path)

        assert (refused.status_code, refused.json()["scope"]) == (403, scope)
        assert nobody.status_code == 401
