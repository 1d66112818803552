"""What may be asked of a metric, and how figures are put together."""

import re
from datetime import date

import pytest

from huiyin_analytics.domain.definitions import METRICS
from huiyin_analytics.domain.questions import Question, Read, answer, label_of, question
from huiyin_analytics.errors import QuestionRefused

FIRST, END = date(2026, 11, 1), date(2026, 12, 1)


def ask(name: str, by: str = "", **only: str) -> Question:
    return question(METRICS[name], first=FIRST, end=END, by=by, only=only)


def read(
    measure: str,
    n: int,
    *values: str,
    variant: str = "",
    bucket: int = 0,
    total: int = 0,
    day: str | None = None,
) -> Read:
    return Read(day, values, measure, variant, bucket, n, total)


def test_every_metric_is_defined_in_both_languages() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert all((metric.title.zh_cn, metric.title.en, metric.definition.zh_cn, metric.definition.en))
        assert metric.version >= 1
        assert metric.parts


def test_no_metric_is_explained_by_a_reference_that_its_readers_cannot_follow() -> None:
    told = "\n".join(
        words
        for metric in METRICS.values()
        for each in (metric.title, metric.definition)
        for words in (each.zh_cn, each.en)
    )

    assert re.findall(r"S\d+", told) == []


def test_a_count_is_the_sum_of_its_rows() -> None:
    asked = ask("feedback_received", "channel")

    answered = answer(
        asked, [read("received", 3, "wechat"), read("received", 2, "app"), read("received", 1, "wechat")]
    )

    assert [(key, figure.value(asked.metric)) for key, figure in answered.rows] == [
        (("app",), 2),
        (("wechat",), 4),
    ]
    assert answered.total.value(asked.metric) == 6


@pytest.mark.parametrize(
    ("period", "labels"),
    [("day", ["2026-11-01", "2026-11-02"]), ("week", ["2026-W44", "2026-W45"]), ("month", ["2026-11"])],
)
def test_days_are_put_together_in_weeks_and_months(period: str, labels: list[str]) -> None:
    asked = ask("feedback_received", period)

    answered = answer(asked, [read("received", 1, day="2026-11-01"), read("received", 1, day="2026-11-02")])

    assert [key for key, _ in answered.rows] == [(label,) for label in labels]


def test_a_week_belongs_to_the_year_of_its_thursday() -> None:
    assert label_of("week", "2027-01-01") == "2026-W53"


def test_a_rate_is_undefined_without_anything_to_measure_against() -> None:
    asked = ask("satisfaction_rate")

    assert answer(asked, []).total.value(asked.metric) is None


def test_the_on_time_rate_stands_by_target_without_being_asked() -> None:
    asked = ask("on_time_rate")

    answered = answer(
        asked,
        [
            read("met", 3, "response", variant="response"),
            read("breached", 1, "response", variant="response"),
            read("breached", 2, "resolution", variant="resolution"),
        ],
    )

    assert [(key, figure.value(asked.metric)) for key, figure in answered.rows] == [
        (("resolution",), 0.0),
        (("response",), 0.75),
    ]


def test_the_closed_loop_leaves_merged_tickets_out() -> None:
    asked = ask("closure_rate")

    answered = answer(asked, [read("routed", 5), read("merged", 1), read("closed", 2)])

    assert answered.total.value(asked.metric) == 0.5


def test_the_score_of_promoters_takes_detractors_off() -> None:
    asked = ask("nps")
    scores = {10: 3, 9: 1, 8: 4, 6: 1, 0: 1}

    answered = answer(asked, [read("nps", n, bucket=score) for score, n in scores.items()])

    assert answered.total.value(asked.metric) == 100 * (4 - 2) / 10
    assert answer(asked, []).total.value(asked.metric) is None


def test_ratings_of_four_of_five_and_above_are_satisfied() -> None:
    asked = ask("csat")

    answered = answer(asked, [read("rating", 1, bucket=percent) for percent in (20, 60, 80, 100)])

    assert answered.total.value(asked.metric) == 0.5


def test_averages_are_exact_and_percentiles_close() -> None:
    cells = [
        read("response_time", 9, bucket=50, total=9 * 1000),
        read("response_time", 1, bucket=80, total=16_000),
    ]
    average, p90 = ask("average_response_time"), ask("p90_response_time")

    assert answer(average, cells).total.value(average.metric) == 2.5
    value = answer(p90, cells).total.value(p90.metric)
    assert value is not None
    assert value < 1


def test_shares_add_up_to_one_in_each_group_and_leave_out_what_is_no_feedback() -> None:
    asked = ask("type_share", "channel")
    cells = [
        read("outcome", 3, "wechat", "product", variant="ticket"),
        read("outcome", 1, "wechat", "service", variant="thanked"),
        read("outcome", 9, "wechat", "service", variant="not_feedback"),
        read("outcome", 2, "app", "service", variant="attached"),
    ]

    rows = {key: figure.value(asked.metric) for key, figure in answer(asked, cells).rows}

    assert rows == {("app", "service"): 1.0, ("wechat", "product"): 0.75, ("wechat", "service"): 0.25}


def test_a_share_narrowed_to_one_type_is_still_measured_against_all() -> None:
    asked = ask("type_share", type="product")
    cells = [read("outcome", 1, "product", variant="ticket"), read("outcome", 3, "service", variant="ticket")]

    answered = answer(asked, cells)

    assert [figure.value(asked.metric) for _, figure in answered.rows] == [0.25]
    assert answered.total.value(asked.metric) == 0.25
    assert asked.filters == {}


@pytest.mark.parametrize(
    ("by", "only", "parameter"),
    [
        ("colour", {}, "by"),
        ("day,week", {}, "by"),
        ("target", {}, "by"),
        ("", {"target": "response"}, "target"),
        ("day," * 100, {}, "by"),
    ],
)
def test_what_cannot_be_asked_names_the_parameter(by: str, only: dict[str, str], parameter: str) -> None:
    with pytest.raises(QuestionRefused) as refused:
        question(METRICS["feedback_received"], first=FIRST, end=END, by=by, only=only)

    assert refused.value.parameter == parameter


@pytest.mark.parametrize("end", [FIRST, date(2026, 10, 1), date(2031, 11, 6)])
def test_a_range_must_be_one_and_of_five_years_at_most(end: date) -> None:
    with pytest.raises(QuestionRefused) as refused:
        question(METRICS["nps"], first=FIRST, end=end, by="", only={})

    assert refused.value.parameter == "to"
