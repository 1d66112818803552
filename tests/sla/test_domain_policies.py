"""Policies: the shipped figures, reading what operators write, and which policy a case gets."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyin_sla.domain.china import china_calendar
from huiyin_sla.domain.policies import DEFAULT_POLICIES, Policies, check_order, policy_for
from huiyin_sla.domain.spans import MAX_LENGTH, MAX_WORKING_DAYS, WallSpan, WorkingDaySpan, parse_span
from huiyin_sla.errors import PolicyMalformed, UnknownPolicy, UnknownTarget

CN = china_calendar()


def test_the_shipped_figures_are_those_of_the_written_standard() -> None:
    assert DEFAULT_POLICIES.to_dict() == {
        "classification": "PT1H",
        "ordinary": {"response": "PT24H", "resolution": "PT72H"},
        "complex": {"response": "PT48H", "resolution": "5 working days"},
        "urgent": {"response": "PT4H", "resolution": "PT24H"},
    }
    check_order(DEFAULT_POLICIES, calendar=CN)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT24H", timedelta(hours=24)),
        ("P3D", timedelta(days=3)),
        ("P1W", timedelta(weeks=1)),
        ("P1DT12H", timedelta(hours=36)),
        ("PT90M", timedelta(minutes=90)),
        ("PT2S", timedelta(seconds=2)),
        ("PT0.25S", timedelta(milliseconds=250)),
    ],
)
def test_an_iso_duration_is_a_length_round_the_clock(text: str, length: timedelta) -> None:
    assert parse_span(text) == WallSpan(length)


@pytest.mark.parametrize(("text", "days"), [("5 working days", 5), ("1 working day", 1)])
def test_working_days_are_a_count_of_days_not_of_hours(text: str, days: int) -> None:
    assert parse_span(text) == WorkingDaySpan(days)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "24",
        "24h",
        "PT0S",
        "P0D",
        "PT-1H",
        "-PT1H",
        "P1M",
        "P1Y",
        "PT1H ",
        "pt1h",
        "0 working days",
        "-1 working days",
        "five working days",
        "1001 working days",
        "P3661D",
        "PT٣H",
        "PT" + "9" * 400 + "H",
    ],
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"span|neither"):
        parse_span(text)


@given(st.timedeltas(timedelta(microseconds=1), MAX_LENGTH))
def test_every_length_reads_back_as_it_was_written(length: timedelta) -> None:
    assert parse_span(str(WallSpan(length))) == WallSpan(length)


@given(st.integers(1, MAX_WORKING_DAYS))
def test_every_count_of_working_days_reads_back_as_it_was_written(days: int) -> None:
    assert parse_span(str(WorkingDaySpan(days))) == WorkingDaySpan(days)


def test_policies_survive_their_document() -> None:
    assert Policies.from_dict(DEFAULT_POLICIES.to_dict()) == DEFAULT_POLICIES


def test_what_a_document_leaves_out_keeps_its_shipped_value() -> None:
    policies = Policies.from_dict({"classification": "PT5S", "ordinary": {"response": "PT3S"}})

    assert policies.classification == WallSpan(timedelta(seconds=5))
    assert policies.named("ordinary").response == WallSpan(timedelta(seconds=3))
    assert policies.named("ordinary").resolution == DEFAULT_POLICIES.named("ordinary").resolution
    assert policies.named("complex") == DEFAULT_POLICIES.named("complex")


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"normal": {}}, "/normal"),
        ({"ordinary": "PT24H"}, "/ordinary"),
        ({"ordinary": {"review": "PT24H"}}, "/ordinary/review"),
        ({"ordinary": {"classification": "PT1H"}}, "/ordinary/classification"),
        ({"ordinary": {"response": 24}}, "/ordinary/response"),
        ({"complex": {"resolution": "0 working days"}}, "/complex/resolution"),
        ({"urgent": {"response": "PT0S"}}, "/urgent/response"),
        ({"classification": "soon"}, "/classification"),
        ({"classification": None}, "/classification"),
    ],
)
def test_a_faulty_document_is_refused_with_a_pointer_to_the_fault(
    document: dict[str, object], where: str
) -> None:
    with pytest.raises(PolicyMalformed) as refusal:
        Policies.from_dict(document)

    assert refusal.value.where == where


@pytest.mark.parametrize(
    ("urgent", "ordinary", "is_allowed"),
    [
        ("PT24H", "PT24H", True),
        ("PT25H", "PT24H", False),
        ("2 working days", "2 working days", True),
        ("3 working days", "2 working days", False),
        ("PT18H", "1 working day", True),
        ("PT19H", "1 working day", False),
        ("PT42H", "2 working days", True),
        ("1 working day", "P30D", False),
    ],
)
def test_urgent_is_never_due_later_than_ordinary(urgent: str, ordinary: str, *, is_allowed: bool) -> None:
    policies = Policies.from_dict({"urgent": {"response": urgent}, "ordinary": {"response": ordinary}})

    if is_allowed:
        check_order(policies, calendar=CN)
        return
    with pytest.raises(PolicyMalformed) as refusal:
        check_order(policies, calendar=CN)
    assert refusal.value.where == "/urgent/response"


@pytest.mark.parametrize(
    ("urgency", "is_complex", "policy"),
    [
        ("normal", False, "ordinary"),
        ("normal", True, "complex"),
        ("complaint", False, "complex"),
        ("complaint", True, "complex"),
        ("urgent", False, "urgent"),
        ("urgent", True, "urgent"),
        ("other", False, "ordinary"),
        ("other", True, "complex"),
    ],
)
def test_the_strictest_fitting_policy_holds(urgency: str, policy: str, *, is_complex: bool) -> None:
    assert policy_for(urgency, is_complex=is_complex) == policy


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(UnknownPolicy):
        DEFAULT_POLICIES.named("gold")


@pytest.mark.parametrize("target", ["next_response", "review", "return_visit", "classification", "x"])
def test_a_target_that_policies_do_not_measure_is_refused(target: str) -> None:
    with pytest.raises(UnknownTarget):
        DEFAULT_POLICIES.named("ordinary").span(target)
