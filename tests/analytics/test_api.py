"""Figures over HTTP: answers, the cases behind them, refusals, and whose figures a key sees."""

from typing import Any

import httpx2
import pytest

from huiyin_analytics.domain.definitions import METRICS
from huiyin_contracts.feedback import Rating
from huiyin_contracts.people import UnitChanged
from huiyin_contracts.vocabulary import ClockState, Outcome, Step, Target, UnitKind
from tests.analytics.stories import NOON, Story, handled, labels, many_stories
from tests.support.service import ServiceDriver, pointers

MONTH = {"from": "2026-11-01", "to": "2026-12-01"}


async def figures(client: httpx2.AsyncClient, name: str, **asked: Any) -> dict[str, Any]:
    answered = await client.get(f"/v1/metrics/{name}", params={**MONTH, **asked})
    assert answered.status_code == 200, answered.text
    found: dict[str, Any] = answered.json()
    return found


async def cases(client: httpx2.AsyncClient, name: str, **asked: Any) -> list[dict[str, Any]]:
    """Return all cases behind a figure, page by page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await client.get(f"/v1/metrics/{name}/rows", params={**MONTH, **asked, **cursor})
        assert page.status_code == 200, page.text
        found += page.json()["items"]
        if page.json()["next"] is None:
            return found
        cursor = {"cursor": page.json()["next"]}


async def tell(analytics: ServiceDriver, *stories: Story) -> None:
    events = [event for story in stories for event in story.events]
    await analytics.deliver(*sorted(events, key=lambda event: event.TYPE))


async def test_every_metric_says_what_it_means_and_how_it_splits(analytics: ServiceDriver) -> None:
    answered = await analytics.client.get("/v1/metrics")

    found = {each["name"]: each for each in answered.json()["items"]}
    assert found.keys() == METRICS.keys()
    assert found["on_time_rate"]["title"] == {"zh-CN": "及时率", "en": "On-time rate"}
    assert found["on_time_rate"]["always_by"] == ["target"]
    assert {"day", "week", "month", "channel", "target"} <= set(found["on_time_rate"]["dimensions"])
    assert "outcome" not in found["on_time_rate"]["dimensions"]


async def test_a_figure_carries_its_rows_and_its_total(analytics: ServiceDriver) -> None:
    await tell(analytics, handled("f-1"), handled("f-2", channel="hotline"), handled("f-3"))

    found = await figures(analytics.client, "feedback_received", by="day,channel")

    assert found["rows"] == [
        {"day": "2026-11-20", "channel": "hotline", "value": 1, "numerator": 1, "denominator": None},
        {"day": "2026-11-20", "channel": "wechat", "value": 2, "numerator": 2, "denominator": None},
    ]
    assert found["total"]["value"] == 3
    assert (found["from"], found["to"], found["zone"]) == ("2026-11-01", "2026-12-01", "Asia/Shanghai")
    assert found["by"] == ["day", "channel"]


async def test_the_last_date_of_a_range_does_not_count(analytics: ServiceDriver) -> None:
    await tell(analytics, handled())

    before = await figures(
        analytics.client, "feedback_received", **{"from": "2026-11-01", "to": "2026-11-20"}
    )
    within = await figures(
        analytics.client, "feedback_received", **{"from": "2026-11-20", "to": "2026-11-21"}
    )

    assert (before["total"]["value"], within["total"]["value"]) == (0, 1)


async def test_what_is_not_known_is_null_and_can_be_asked_for(analytics: ServiceDriver) -> None:
    await tell(analytics, Story("f-1").received(), handled("f-2"))

    found = await figures(analytics.client, "feedback_received", by="type")
    unknown = await figures(analytics.client, "feedback_received", type="")

    assert [(row["type"], row["value"]) for row in found["rows"]] == [(None, 1), ("product", 1)]
    assert unknown["total"]["value"] == 1


async def test_departments_come_with_their_names(analytics: ServiceDriver) -> None:
    await tell(analytics, handled())
    names = {"zh-CN": "产品部", "en": "Product"}
    await analytics.deliver(
        UnitChanged(
            unit_id="u", slug="product", kind=UnitKind.DEPARTMENT, names=names, revision=1, changed_at=NOON
        )
    )

    found = await figures(analytics.client, "tickets_routed", by="department")

    assert found["names"] == {"product": names}


async def test_rates_and_scores_are_what_their_definitions_say(analytics: ServiceDriver) -> None:
    late = Story("f-2").received(nps=3, rating=Rating(value=2, max=5)).classified().routed()
    late.breached(Target.RESPONSE, due=60).step(Step.RESOLVED, after=4000).reviewed(
        satisfied=False, after=5000
    )
    promoter = Story("f-3").received(nps=10, rating=Rating(value=5, max=5))
    promoter.classified(Outcome.THANKED, labels=labels(type="service", nature="praise"))
    await tell(analytics, handled("f-1"), late, promoter)

    async def value(name: str, **asked: Any) -> Any:
        return (await figures(analytics.client, name, **asked))["total"]["value"]

    assert await value("on_time_rate", target="response") == 0.5
    assert await value("breaches", target="response") == 1
    assert await value("closure_rate") == 0.5
    assert await value("satisfaction_rate") == 0.5
    assert await value("nps") == 0
    assert await value("csat") == 0.5
    assert await value("type_share", type="service") == pytest.approx(1 / 3)
    assert await value("average_resolution_time") == pytest.approx((7200 + 3998) / 2)
    assert await value("p90_resolution_time") == pytest.approx(7200, rel=1 / 16)
    assert await value("outcomes", outcome="thanked") == 1


async def test_scores_without_answers_have_no_value(analytics: ServiceDriver) -> None:
    found = await figures(analytics.client, "nps", by="channel")

    assert found["rows"] == []
    assert found["total"] == {"value": None, "numerator": 0, "denominator": 0}


async def test_the_cases_behind_each_figure_add_up_to_it(analytics: ServiceDriver) -> None:
    await tell(analytics, *many_stories(25))

    for name in METRICS:
        for asked in ({}, {"channel": "wechat", "from": "2026-11-21"}):
            total = (await figures(analytics.client, name, **asked))["total"]
            behind = await cases(analytics.client, name, limit=20, **asked)

            assert sum(case["numerator"] for case in behind) == pytest.approx(total["numerator"]), name
            if total["denominator"] is not None:
                assert sum(case["denominator"] for case in behind) == total["denominator"], name
            assert behind == sorted(behind, key=lambda case: (case["day"], case["id"]))


async def test_the_cases_behind_a_share_follow_its_type(analytics: ServiceDriver) -> None:
    await tell(
        analytics,
        handled("f-1"),
        Story("f-2").received().classified(Outcome.THANKED, labels=labels(type="service")),
    )

    behind = await cases(analytics.client, "type_share", type="service")

    assert [(case["id"], case["numerator"], case["denominator"]) for case in behind] == [
        ("f-1", 0, 1),
        ("f-2", 1, 1),
    ]


async def test_a_key_of_a_department_gets_its_figures_and_no_others(analytics: ServiceDriver) -> None:
    await tell(
        analytics,
        handled("f-1"),
        Story("f-2").received().classified().routed("logistics"),
        Story("f-3").received(),
    )
    key = await analytics.key("analyst", departments=["product"])

    received = await figures(key, "feedback_received", by="department")
    other = await figures(key, "feedback_received", department="logistics")
    behind = await cases(key, "feedback_received")

    assert [row["department"] for row in received["rows"]] == ["product"]
    assert other["total"]["value"] == 0
    assert [case["id"] for case in behind] == ["f-1"]


async def test_a_key_without_the_scope_is_refused(analytics: ServiceDriver) -> None:
    adapter = await analytics.key("adapter")

    for path in ("/v1/metrics", "/v1/metrics/nps", "/v1/metrics/nps/rows"):
        assert (await adapter.get(path, params=MONTH)).status_code == 403
        assert (await analytics.anonymous().get(path, params=MONTH)).status_code == 401


async def test_the_key_is_checked_before_the_question(analytics: ServiceDriver) -> None:
    for path in ("/v1/metrics/happiness", "/v1/metrics/nps?from=x", "/v1/metrics/nps/rows?by=colour"):
        assert (await analytics.anonymous().get(path)).status_code == 401


async def test_an_unknown_metric_is_not_found(analytics: ServiceDriver) -> None:
    for path in ("/v1/metrics/happiness", "/v1/metrics/happiness/rows"):
        answered = await analytics.client.get(path, params=MONTH)

        assert answered.status_code == 404
        assert answered.json()["type"].endswith("/metric-unknown")


REFUSED: list[tuple[dict[str, str], str]] = [
    ({"from": "2026-11-31"}, "from"),
    ({"from": "1700000000"}, "from"),
    ({"from": "20261101"}, "from"),
    ({"to": "yesterday"}, "to"),
    ({"to": "2026-11-01"}, "to"),
    ({"from": "2020-01-01"}, "to"),
    ({"by": "colour"}, "by"),
    ({"by": "day,month"}, "by"),
    ({"by": "outcome"}, "by"),
    ({"outcome": "ticket"}, "outcome"),
    ({"zone": "Europe/Berlin"}, "zone"),
    ({"channel": "x" * 300}, "channel"),
]


async def test_a_question_that_cannot_be_answered_names_its_parameter(analytics: ServiceDriver) -> None:
    for asked, parameter in REFUSED:
        for path in ("/v1/metrics/feedback_received", "/v1/metrics/feedback_received/rows"):
            answered = await analytics.client.get(path, params={**MONTH, **asked})

            assert answered.status_code == 422, (asked, answered.text)
            assert pointers(answered) == [parameter], asked


async def test_a_range_must_be_given(analytics: ServiceDriver) -> None:
    answered = await analytics.client.get("/v1/metrics/nps")

    assert answered.status_code == 422
    assert pointers(answered) == ["from", "to"]


async def test_the_configured_zone_may_be_named(analytics: ServiceDriver) -> None:
    assert (await figures(analytics.client, "nps", zone="Asia/Shanghai"))["zone"] == "Asia/Shanghai"


async def test_a_garbled_cursor_is_refused(analytics: ServiceDriver) -> None:
    answered = await analytics.client.get("/v1/metrics/nps/rows", params={**MONTH, "cursor": "nonsense"})

    assert answered.status_code == 422
    assert pointers(answered) == ["cursor"]


async def test_a_question_that_is_too_fine_is_refused(
    analytics: ServiceDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(analytics, handled("f-1"), handled("f-2", channel="hotline"))
    monkeypatch.setattr("huiyin_analytics.queries.MOST_SUMS", 1)

    answered = await analytics.client.get("/v1/metrics/feedback_received", params={**MONTH, "by": "channel"})

    assert answered.status_code == 422
    assert pointers(answered) == ["by"]


async def test_a_page_reads_a_bounded_number_of_cases_and_goes_on(
    analytics: ServiceDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = [Story(f"f-{number}").received() for number in range(6)]
    await tell(analytics, *plain, Story("f-7").received(nps=9))
    monkeypatch.setattr("huiyin_analytics.queries.MOST_READ", 4)

    first = await analytics.client.get("/v1/metrics/nps/rows", params=MONTH)

    assert first.json()["items"] == []
    assert [case["id"] for case in await cases(analytics.client, "nps")] == ["f-7"]


async def test_clocks_met_and_missed_stand_by_target(analytics: ServiceDriver) -> None:
    story = Story("f-1").received().classified().routed()
    story.scheduled(Target.CLASSIFICATION, ClockState.MET, due=3600, met=2)
    story.breached(Target.RESOLUTION, due=60).warned(Target.RESOLUTION, due=60)
    await tell(analytics, story)

    rates = await figures(analytics.client, "on_time_rate")
    warnings = await figures(analytics.client, "warnings")

    assert {row["target"]: row["value"] for row in rates["rows"]} == {
        "classification": 1.0,
        "resolution": 0.0,
    }
    assert {row["target"]: row["value"] for row in warnings["rows"]} == {"resolution": 1}
