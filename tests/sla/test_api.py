"""sla over HTTP: clocks as they stand, deadlines in advance, and the terms behind them."""

from datetime import datetime
from typing import Any

import pytest

from huiyin_chassis.clock import utc_now
from huiyin_sla import api
from tests.sla.driver import SlaDriver, hours, progressed, received, routed
from tests.support.service import pointers

WEEK = {day: ["09:00-18:00"] for day in ("mon", "tue", "wed", "thu", "fri")}


async def clocks(client: Any, **params: str) -> list[tuple[str, str, str]]:
    answer = await client.get("/v1/clocks", params=params)
    assert answer.status_code == 200, answer.text
    return sorted((item["ticket_id"], item["target"], item["state"]) for item in answer.json()["items"])


@pytest.fixture
async def cases(sla: SlaDriver) -> SlaDriver:
    """Give four cases: overdue, running, on hold, not routed yet."""
    now = utc_now()
    await sla.deliver(
        routed("late", at=now - hours(30), department="product"),
        routed("fresh", at=now, department="logistics"),
        routed("held", at=now - hours(2), department="logistics"),
        progressed("answered", "held", at=now - hours(1.5), version=2),
        progressed("paused", "held", at=now - hours(1), version=3),
        received("new", at=now),
    )
    return sla


async def test_a_clock_past_its_deadline_is_breached_before_the_sweep_has_seen_it(cases: SlaDriver) -> None:
    late = await cases.clocks("late")

    assert await cases.breached() == []
    assert late["response", 1]["state"] == "breached"
    assert late["response", 1]["breached_at"] == late["response", 1]["due_at"]
    assert late["resolution", 1]["state"] == "running"
    assert late["resolution", 1]["breached_at"] is None


async def test_clocks_are_narrowed_by_state_target_and_department(cases: SlaDriver) -> None:
    assert await clocks(cases.client, state="breached") == [("late", "response", "breached")]
    assert await clocks(cases.client, state="paused") == [("held", "resolution", "paused")]
    assert await clocks(cases.client, state="running", target="resolution") == [
        ("fresh", "resolution", "running"),
        ("late", "resolution", "running"),
    ]
    assert {row[0] for row in await clocks(cases.client, department="logistics")} == {"fresh", "held"}
    assert await clocks(cases.client, ticket_id="nobody") == []


async def test_clocks_come_in_pages(cases: SlaDriver) -> None:
    found, cursor = [], None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        body = (await cases.client.get("/v1/clocks", params=params)).json()
        found += [(item["ticket_id"], item["target"], item["cycle"]) for item in body["items"]]
        cursor = body["next"]
        if cursor is None:
            break

    assert len(found) == len(set(found)) == 7


async def test_a_department_sees_the_clocks_of_its_tickets_and_no_others(cases: SlaDriver) -> None:
    product = await cases.service.key("department", departments=["product"])

    assert {row[0] for row in await clocks(product)} == {"late"}
    assert await clocks(product, department="logistics") == []
    assert await clocks(product, ticket_id="new") == []


async def test_reading_needs_a_scope_and_changing_another(sla: SlaDriver) -> None:
    adapter, analyst = await sla.service.key("adapter"), await sla.service.key("analyst")

    for path in ("/v1/clocks", "/v1/policies", "/v1/calendars", "/v1/calendars/cn"):
        assert (await sla.service.anonymous().get(path)).status_code == 401
        assert (await adapter.get(path)).status_code == 403
        assert (await analyst.get(path)).status_code == 200
    assert (await analyst.put("/v1/policies", json={})).status_code == 403
    assert (await analyst.put("/v1/calendars/cn", json={})).status_code == 403


async def test_a_deadline_is_told_with_the_days_counted(sla: SlaDriver) -> None:
    params = {"policy": "complex", "target": "resolution", "start": "2026-09-29T16:00:00+08:00"}

    answer = await sla.client.get("/v1/deadlines", params=params)

    body = answer.json()
    assert answer.status_code == 200
    assert body["due_at"] == "2026-10-12T10:00:00Z"
    assert "2026-10-10 Sat make-up workday 4 (National Day)" in body["explanation"]
    assert body["warnings"] == []
    assert (body["policy"], body["target"], body["calendar"]) == ("complex", "resolution", "cn")


async def test_a_deadline_that_crosses_into_an_unknown_year_warns(sla: SlaDriver) -> None:
    params = {"policy": "complex", "target": "resolution", "start": "2026-12-30T16:00:00+08:00"}

    body = (await sla.client.get("/v1/deadlines", params=params)).json()

    assert body["due_at"] == "2027-01-07T10:00:00Z"
    assert len(body["warnings"]) == 1
    assert "2027" in body["warnings"][0]


async def test_a_plus_that_became_a_space_is_understood(sla: SlaDriver) -> None:
    answer = await sla.client.get(
        "/v1/deadlines?policy=urgent&target=response&start=2026-11-23T12:00:00+08:00"
    )

    assert answer.json()["due_at"] == "2026-11-23T08:00:00Z"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/clocks?state=walking", 422),
        ("/v1/clocks?target=lunch", 422),
        ("/v1/clocks?cursor=x", 422),
        ("/v1/clocks?limit=0", 422),
        ("/v1/clocks?ticket_id=%00", 400),
        ("/v1/clocks?department=%ED%A0%80", 422),
        ("/v1/calendars/%00", 400),
        ("/v1/deadlines?policy=urgent&start=2026-11-23T12:00:00Z&calendar=%00", 400),
        ("/v1/deadlines?policy=urgent", 422),
        ("/v1/deadlines?policy=slow&start=2026-11-23T12:00:00Z", 422),
        ("/v1/deadlines?policy=urgent&target=review&start=2026-11-23T12:00:00Z", 422),
        ("/v1/deadlines?policy=urgent&start=2026-11-23T12:00:00", 422),
        ("/v1/deadlines?policy=urgent&start=soon", 422),
        ("/v1/deadlines?policy=complex&start=9999-12-30T12:00:00Z", 422),
        ("/v1/deadlines?policy=complex&start=0001-01-01T00:00:00%2B14:00", 422),
        ("/v1/deadlines?policy=urgent&start=2026-11-23T12:00:00Z&calendar=mars", 404),
        ("/v1/calendars/mars", 404),
    ],
)
async def test_a_bad_question_is_a_problem_document(sla: SlaDriver, path: str, status: int) -> None:
    answer = await sla.client.get(path)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_policies_are_read_and_replaced_under_their_etag(sla: SlaDriver) -> None:
    first = await sla.client.get("/v1/policies")
    tag = {"If-Match": first.headers["ETag"]}
    body = {"urgent": {"response": "PT2H"}, "complex": {"resolution": "4 working days"}}

    changed = await sla.client.put("/v1/policies", json=body, headers=tag)
    stale = await sla.client.put("/v1/policies", json={}, headers=tag)

    assert first.json()["urgent"] == {"response": "PT4H", "resolution": "PT24H"}
    assert first.json()["complex"]["resolution"] == "5 working days"
    assert changed.json()["urgent"] == {"response": "PT2H", "resolution": "PT24H"}
    assert changed.headers["ETag"] == '"2"'
    assert changed.json()["changed_by"] == "operator"
    assert stale.status_code == 412
    assert (await sla.client.get("/v1/policies")).json() == changed.json()


async def test_new_policies_hold_for_new_cases_and_old_cases_keep_theirs(sla: SlaDriver) -> None:
    now = utc_now()
    await sla.deliver(received("old", at=now))
    await sla.client.put("/v1/policies", json={"ordinary": {"response": "PT12H"}})

    await sla.deliver(routed("old", at=now), routed("new", at=now))

    due = {one.ticket_id: one.due_at for one in await sla.scheduled() if one.target == "response"}
    assert due == {"old": now + hours(24), "new": now + hours(12)}


async def test_the_same_policies_again_make_no_revision(sla: SlaDriver) -> None:
    answer = await sla.client.put("/v1/policies", json={"urgent": {"response": "PT240M"}})

    assert answer.json()["revision"] == 1


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"lazy": {"response": "PT1H"}}, "#/lazy"),
        ({"urgent": {"review": "PT1H"}}, "#/urgent/review"),
        ({"urgent": {"response": "P1M"}}, "#/urgent/response"),
        ({"urgent": {"response": "PT0S"}}, "#/urgent/response"),
        ({"urgent": {"response": 4}}, "#/urgent/response"),
        ({"urgent": {"response": "PT25H"}}, "#/urgent/response"),
        ({"classification": "5 working years"}, "#/classification"),
    ],
)
async def test_policies_that_cannot_be_meant_are_refused_with_their_place(
    sla: SlaDriver, body: dict[str, Any], place: str
) -> None:
    answer = await sla.client.put("/v1/policies", json=body)

    assert answer.status_code == 422
    assert pointers(answer) == [place]
    assert (await sla.client.get("/v1/policies")).json()["revision"] == 1


async def test_calendars_tell_how_far_they_are_known(sla: SlaDriver) -> None:
    [item] = (await sla.client.get("/v1/calendars")).json()["items"]
    full = await sla.client.get("/v1/calendars/cn")

    assert (item["name"], item["zone"]) == ("cn", "Asia/Shanghai")
    assert set(item["coverage"].values()) <= {"official", "statutory_only"}
    assert len(item["warnings"]) == list(item["coverage"].values()).count("statutory_only")
    assert full.json()["off"]["2026-10-01"] == "National Day"
    assert full.json()["work"]["2026-10-10"] == "National Day"
    assert full.headers["ETag"] == '"1"'


@pytest.mark.parametrize(
    ("day", "coverage", "warnings"),
    [
        ("2025-12-31T23:59:00+08:00", {"2025": "official", "2026": "official"}, 0),
        ("2026-01-01T00:01:00+08:00", {"2026": "official", "2027": "statutory_only"}, 1),
    ],
)
async def test_what_is_known_of_a_calendar_is_told_for_the_year_in_which_it_is_asked(
    sla: SlaDriver, monkeypatch: pytest.MonkeyPatch, day: str, coverage: dict[str, str], warnings: int
) -> None:
    monkeypatch.setattr(api, "utc_now", lambda: datetime.fromisoformat(day))
    document = (await sla.client.get("/v1/calendars/cn")).json()
    kept = {name: document[name] for name in ("zone", "off", "official_years", "statutory_years")}

    [item] = (await sla.client.get("/v1/calendars")).json()["items"]
    put = (await sla.client.put("/v1/calendars/cn", json={**kept, "week": WEEK})).json()

    assert document["coverage"] == item["coverage"] == put["coverage"] == coverage
    assert len(document["warnings"]) == len(item["warnings"]) == warnings


async def test_an_edited_calendar_holds_for_new_cases_and_old_cases_keep_theirs(sla: SlaDriver) -> None:
    await sla.deliver(received("old"))
    document = (await sla.client.get("/v1/calendars/cn")).json()
    kept = {name: document[name] for name in ("zone", "week", "makeup_hours", "work", "official_years")}
    body = {**kept, "off": {**document["off"], "2026-11-24": "Day of the company"}}

    answer = await sla.client.put("/v1/calendars/cn", json=body, headers={"If-Match": '"1"'})
    await sla.deliver(routed("old", is_complex=True), routed("new", is_complex=True))

    assert answer.json()["revision"] == 2
    due = {one.ticket_id: one.due_at for one in await sla.scheduled() if one.target == "resolution"}
    assert due["new"] - due["old"] == hours(24)


async def test_another_calendar_can_be_made_and_asked(sla: SlaDriver) -> None:
    made = await sla.client.put("/v1/calendars/hotline", json={"zone": "Asia/Shanghai", "week": WEEK})
    params = {"policy": "complex", "start": "2026-09-29T16:00:00+08:00", "calendar": "hotline"}

    answer = await sla.client.get("/v1/deadlines", params=params)

    assert made.status_code == 200
    assert answer.json()["due_at"] == "2026-10-06T10:00:00Z"
    assert "no holidays of 2026 are known" in answer.json()["warnings"][0]


@pytest.mark.parametrize(
    ("name", "changes", "place"),
    [
        ("cn", {"zone": "Asia/Nowhere"}, "#/zone"),
        ("cn", {"week": {"someday": ["09:00-18:00"]}}, "#/week/someday"),
        ("cn", {"week": {}}, "#/week"),
        ("cn", {"week": {"mon": ["18:00-09:00"]}}, "#/week/mon"),
        ("cn", {"off": {"2026-02-30": ""}}, "#/off"),
        ("cn", {"off": {"2026-10-01": ""}, "work": {"2026-10-01": ""}}, "#/work/2026-10-01"),
        ("cn", {"name": "us"}, "#/name"),
        ("cn", {"extra": 1}, "#/extra"),
        ("9am", {}, "#/name"),
    ],
)
async def test_a_calendar_that_cannot_be_used_is_refused_with_its_place(
    sla: SlaDriver, name: str, changes: dict[str, Any], place: str
) -> None:
    body = {"zone": "Asia/Shanghai", "week": WEEK, **changes}

    answer = await sla.client.put(f"/v1/calendars/{name}", json=body)

    assert answer.status_code == 422, answer.text
    assert pointers(answer) == [place]
    assert (await sla.client.get("/v1/calendars/cn")).json()["revision"] == 1


async def test_a_tag_for_a_calendar_that_is_not_there_fails(sla: SlaDriver) -> None:
    body = {"zone": "Asia/Shanghai", "week": WEEK}

    answer = await sla.client.put("/v1/calendars/hotline", json=body, headers={"If-Match": '"3"'})

    assert answer.status_code == 412
