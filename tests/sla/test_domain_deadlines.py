"""Deadlines: the instants promised and the days that explain them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huiyin_sla.domain.china import china_calendar
from huiyin_sla.domain.deadlines import deadline, due_at
from huiyin_sla.domain.policies import DEFAULT_POLICIES, POLICY_NAMES, POLICY_TARGETS
from huiyin_sla.domain.spans import WorkingDaySpan
from huiyin_sla.errors import DeadlineOutOfRange, TimeNotAware

CN = china_calendar()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("policy", "target", "due"),
    [
        ("ordinary", "response", "2026-10-01T10:00:00+08:00"),
        ("ordinary", "resolution", "2026-10-03T10:00:00+08:00"),
        ("complex", "response", "2026-10-02T10:00:00+08:00"),
        ("complex", "resolution", "2026-10-13T18:00:00+08:00"),
        ("urgent", "response", "2026-09-30T14:00:00+08:00"),
        ("urgent", "resolution", "2026-10-01T10:00:00+08:00"),
    ],
)
def test_each_promise_made_before_national_day_falls_due_as_written(
    policy: str, target: str, due: str
) -> None:
    found = deadline(
        DEFAULT_POLICIES.named(policy), target, start=at("2026-09-30T10:00:00+08:00"), calendar=CN
    )

    assert found.due_at == at(due)
    assert found.due_at.tzinfo is UTC
    assert found.calendar_version == CN.version
    assert found.warnings == ()


def test_the_explanation_counts_every_day_up_to_the_deadline() -> None:
    found = deadline(
        DEFAULT_POLICIES.named("complex"),
        "resolution",
        start=at("2026-10-06T23:30:00+08:00"),
        calendar=CN,
    )

    assert found.explanation == (
        "2026-10-06 Tue start day, never counted",
        "2026-10-07 Wed holiday, not counted (National Day)",
        "2026-10-08 Thu working day 1",
        "2026-10-09 Fri working day 2",
        "2026-10-10 Sat make-up workday 3 (National Day)",
        "2026-10-11 Sun weekly day off, not counted",
        "2026-10-12 Mon working day 4",
        "2026-10-13 Tue working day 5",
        "2026-10-13 18:00:00+08:00 due at close of working day 5",
    )


def test_a_promise_round_the_clock_is_explained_in_local_time() -> None:
    found = deadline(
        DEFAULT_POLICIES.named("ordinary"), "response", start=at("2026-10-01T06:00:00Z"), calendar=CN
    )

    assert found.explanation == (
        "2026-10-01 14:00:00+08:00 start",
        "2026-10-02 14:00:00+08:00 due after PT24H, round the clock",
    )


def test_a_promise_into_a_year_without_arrangement_carries_a_warning() -> None:
    found = deadline(
        DEFAULT_POLICIES.named("complex"),
        "resolution",
        start=at("2026-12-30T14:00:00+08:00"),
        calendar=CN,
    )

    assert found.due_at == at("2027-01-07T18:00:00+08:00")
    assert len(found.warnings) == 1
    assert "2027" in found.warnings[0]
    assert found.explanation[-1] == found.warnings[0]


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 1), timezones=st.timezones()),  # noqa: DTZ001  # the zone is the strategy's
    st.sampled_from(POLICY_NAMES),
    st.sampled_from(POLICY_TARGETS),
)
@settings(deadline=None)
def test_a_deadline_depends_on_the_instant_and_not_on_how_it_is_written(
    start: datetime, policy: str, target: str
) -> None:
    written_in_utc = start.astimezone(UTC)

    span = DEFAULT_POLICIES.named(policy).span(target)

    assert due_at(span, start=start, calendar=CN) == due_at(span, start=written_in_utc, calendar=CN)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC)))  # noqa: DTZ001  # the zone is the strategy's
@settings(deadline=None)
def test_the_allowed_order_of_spans_holds_at_every_start(start: datetime) -> None:
    one_day = due_at(WorkingDaySpan(1), start=start, calendar=CN)

    assert one_day >= start + timedelta(hours=18)


@pytest.mark.parametrize("policy", POLICY_NAMES)
@pytest.mark.parametrize("start", ["9999-12-31T10:00:00+00:00", "9999-12-24T10:00:00+00:00"])
def test_a_deadline_near_the_end_of_time_is_told_or_refused(policy: str, start: str) -> None:
    try:
        found = deadline(DEFAULT_POLICIES.named(policy), "resolution", start=at(start), calendar=CN)
    except DeadlineOutOfRange:
        return

    assert found.due_at > at(start)


def test_a_deadline_past_the_last_year_is_refused() -> None:
    with pytest.raises(DeadlineOutOfRange):
        deadline(
            DEFAULT_POLICIES.named("complex"), "resolution", start=at("9999-12-31T10:00:00Z"), calendar=CN
        )


def test_a_deadline_that_cannot_be_told_in_local_time_is_refused() -> None:
    with pytest.raises(DeadlineOutOfRange):
        deadline(
            DEFAULT_POLICIES.named("ordinary"), "response", start=at("9999-12-30T20:00:00Z"), calendar=CN
        )


def test_a_start_without_a_zone_is_refused() -> None:
    with pytest.raises(TimeNotAware):
        deadline(DEFAULT_POLICIES.named("ordinary"), "response", start=at("2026-10-01T06:00:00"), calendar=CN)
