"""What is told of the clocks: deadlines, warnings, breaches once, and breaches taken back."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huiyin_contracts.vocabulary import ClockState, Target
from huiyin_sla.domain.announcements import (
    Announcement,
    Breached,
    Retracted,
    Scheduled,
    breach_id,
    changes,
    next_check_at,
    warnings_due,
)
from huiyin_sla.domain.china import china_calendar
from huiyin_sla.domain.clocks import Clock, clocks_of
from huiyin_sla.domain.facts import CaseFacts, Fact, FactKind
from huiyin_sla.domain.policies import DEFAULT_POLICIES

CN = china_calendar()
MONDAY = datetime(2026, 11, 23, 2, tzinfo=UTC)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def fact(kind: FactKind, after_hours: float, sequence: int = 0) -> Fact:
    return Fact(kind, MONDAY + hours(after_hours), sequence, policy="ordinary" if kind == "routed" else None)


ROUTED = fact("routed", 0, 1)


def clocks_at(now: datetime, *facts: Fact) -> tuple[Clock, ...]:
    ledger = CaseFacts("case-1", frozenset(facts))
    clocks = clocks_of(ledger, policies=DEFAULT_POLICIES, calendar=CN)
    return tuple(clock.as_of(now) for clock in clocks)


def clock_at(now: datetime, *facts: Fact, target: Target = Target.RESPONSE) -> Clock:
    (clock,) = (clock for clock in clocks_at(now, *facts) if clock.target is target)
    return clock


def told(before: list[Fact], after: list[Fact], *, at_hour: float) -> list[tuple[str, str, str]]:
    now = MONDAY + hours(at_hour)
    found = changes(clocks_at(now, *before), clocks_at(now, *after), now=now)
    return [(type(one).__name__, one.clock.target.value, one.clock.state.value) for one in found]


def test_a_first_routing_tells_both_deadlines() -> None:
    assert told([], [ROUTED], at_hour=0) == [
        ("Scheduled", "response", "running"),
        ("Scheduled", "resolution", "running"),
    ]


def test_nothing_new_is_nothing_to_tell() -> None:
    assert told([ROUTED], [ROUTED], at_hour=1) == []
    assert told([ROUTED], [ROUTED], at_hour=500) == []
    assert told([ROUTED], [ROUTED, fact("routed", 3, 2)], at_hour=4) == []


def test_an_answer_in_time_is_told_as_met() -> None:
    assert told([ROUTED], [ROUTED, fact("answered", 2)], at_hour=2) == [("Scheduled", "response", "met")]


def test_a_pause_and_its_end_are_told_with_the_new_deadline() -> None:
    pause, end = fact("paused", 2, 2), fact("resumed", 5, 3)

    assert told([ROUTED], [ROUTED, pause], at_hour=2) == [("Scheduled", "resolution", "paused")]
    assert told([ROUTED, pause], [ROUTED, pause, end], at_hour=5) == [("Scheduled", "resolution", "running")]


def test_a_merged_case_tells_that_its_clocks_are_cancelled() -> None:
    assert told([ROUTED], [ROUTED, fact("merged", 2)], at_hour=2) == [
        ("Scheduled", "response", "cancelled"),
        ("Scheduled", "resolution", "cancelled"),
    ]


def test_a_passed_deadline_is_told_once_with_its_own_time() -> None:
    found_at = MONDAY + hours(24) + timedelta(seconds=1)
    running, breached = clock_at(MONDAY, ROUTED), clock_at(found_at, ROUTED)

    first = changes([running], [breached], now=found_at)
    again = changes([breached], [breached], now=found_at + hours(1))

    assert first == (Breached(breached, detected_at=found_at),)
    assert breached.breached_at == MONDAY + hours(24)
    assert again == ()


def test_an_answer_too_late_breaches_even_before_the_sweep_has_looked() -> None:
    before = clocks_at(MONDAY, ROUTED)
    after = clocks_at(MONDAY + hours(25), ROUTED, fact("answered", 25))

    found = changes(before, after, now=MONDAY + hours(25))

    assert [type(one) for one in found] == [Scheduled, Breached]
    assert found[0].clock.met_at == MONDAY + hours(25)


def test_work_done_late_is_told_without_a_second_breach() -> None:
    assert told([ROUTED], [ROUTED, fact("answered", 30)], at_hour=30) == [
        ("Scheduled", "response", "breached")
    ]


def test_an_answer_stamped_in_time_that_arrives_late_takes_the_breach_back() -> None:
    now = MONDAY + hours(26)
    breached, met = clock_at(now, ROUTED), clock_at(now, ROUTED, fact("answered", 23))

    found = changes([breached], [met], now=now)

    assert found == (Retracted(breached, met, retracted_at=now), Scheduled(met))
    assert isinstance(found[0], Retracted)
    assert found[0].reason == "done in time, reported late"
    assert found[0].clock.met_at == MONDAY + hours(23)


def test_a_hold_that_is_reported_late_takes_the_breach_back_and_may_bring_another() -> None:
    hold = [ROUTED, fact("paused", 70, 2), fact("resumed", 75, 3)]

    assert told([ROUTED], hold, at_hour=76) == [
        ("Retracted", "resolution", "running"),
        ("Scheduled", "resolution", "running"),
    ]
    assert told([ROUTED], hold, at_hour=78) == [
        ("Retracted", "resolution", "breached"),
        ("Scheduled", "resolution", "breached"),
        ("Breached", "resolution", "breached"),
    ]


def test_a_classification_is_told_of_once_it_is_there_or_late_and_not_while_it_merely_waits() -> None:
    received = fact("received", 0)

    assert told([], [received], at_hour=0) == []
    assert told([received], [fact("received", 0.2), received], at_hour=0.3) == []
    assert told([], [received], at_hour=2) == [
        ("Scheduled", "classification", "breached"),
        ("Breached", "classification", "breached"),
    ]
    assert told([received], [received, Fact("classified", MONDAY)], at_hour=0) == [
        ("Scheduled", "classification", "met")
    ]


def test_a_classification_that_only_waited_breaches_without_a_schedule_and_may_get_its_time_back() -> None:
    now = MONDAY + hours(2)
    waiting, late = (clock_at(at, fact("received", 0), target=Target.CLASSIFICATION) for at in (MONDAY, now))
    moved = clock_at(now, fact("received", 1.5), target=Target.CLASSIFICATION)

    assert changes([waiting], [late], now=now) == (Breached(late, detected_at=now),)
    assert changes([late], [moved], now=now) == (Retracted(late, moved, retracted_at=now), Scheduled(moved))
    assert changes([waiting], [moved], now=now) == ()


def test_a_case_whose_answer_came_before_its_routing_is_told_as_met_at_once() -> None:
    answer = fact("answered", 2)

    assert told([answer], [answer, ROUTED], at_hour=3) == [
        ("Scheduled", "response", "met"),
        ("Scheduled", "resolution", "running"),
    ]


def test_a_breach_has_the_same_id_wherever_it_is_found() -> None:
    found = breach_id("case-1", Target.RESPONSE, cycle=1)

    assert str(found) == "82b6661c-0fb0-5f45-8701-79427c948165"
    assert found != breach_id("case-1", Target.RESPONSE, cycle=2)
    assert found != breach_id("case-1", Target.RESOLUTION, cycle=1)
    assert found != breach_id("case-2", Target.RESPONSE, cycle=1)


@pytest.mark.parametrize(
    ("after_hours", "warned", "due"),
    [
        (11.9, (), []),
        (12, (), [50]),
        (12, (50,), []),
        (18, (50,), [75]),
        (20, (), [50, 75]),
        (24, (50,), [75]),
        (24.1, (50,), []),
    ],
)
def test_each_warning_is_due_once_and_never_after_the_deadline(
    after_hours: float, warned: tuple[int, ...], due: list[int]
) -> None:
    clock = clock_at(MONDAY, ROUTED)

    points = warnings_due(clock, now=MONDAY + hours(after_hours), warned=warned)

    assert [point.percent for point in points] == due


@pytest.mark.parametrize("kind", ["paused", "resolved", "merged"])
def test_a_clock_that_does_not_run_neither_warns_nor_needs_a_look(kind: FactKind) -> None:
    clock = clock_at(MONDAY, ROUTED, fact(kind, 1), target=Target.RESOLUTION)

    assert warnings_due(clock, now=MONDAY + hours(60), warned=()) == ()
    assert next_check_at(clock, warned=()) is None


def test_a_running_clock_is_looked_at_for_its_warnings_then_for_its_deadline() -> None:
    clock = clock_at(MONDAY, ROUTED)

    assert next_check_at(clock, warned=()) == MONDAY + hours(12)
    assert next_check_at(clock, warned=(50,)) == MONDAY + hours(18)
    assert next_check_at(clock, warned=(50, 75)) == MONDAY + hours(24)
    assert next_check_at(clock.as_of(MONDAY + hours(25)), warned=(50, 75)) is None


class Subscriber:
    """Another service that knows only what was announced."""

    def __init__(self) -> None:
        self.states: dict[tuple[Target, int], ClockState] = {}
        self.missed: dict[tuple[Target, int], datetime] = {}

    def hear(self, announcement: Announcement) -> None:
        clock = announcement.clock
        key = clock.target, clock.cycle
        match announcement:
            case Scheduled():
                self.states[key] = clock.state
            case Breached():
                assert key not in self.missed, "a breach is told once"
                self.states[key] = ClockState.BREACHED
                self.missed[key] = clock.due_at
            case Retracted(breached=breached):
                assert self.missed.pop(key) == breached.due_at


@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 150), min_size=20, max_size=20))
@settings(deadline=None)
def test_who_only_listens_ends_with_the_truth_whatever_came_late(random: Random, arrivals: list[int]) -> None:
    arriving = [
        ROUTED,
        fact("received", -0.5),
        fact("routed", 4, 2),
        fact("answered", 23, 2),
        fact("paused", 30, 3),
        fact("resumed", 45, 4),
        fact("resolved", 80, 5),
        fact("reopened", 90, 6),
        fact("answered", 130, 7),
        fact("merged", 140, 8),
    ]
    random.shuffle(arriving)
    subscriber = Subscriber()
    known: list[Fact] = []
    before: tuple[Clock, ...] = ()

    for at_hour in sorted(arrivals):
        now = MONDAY + hours(at_hour)
        if arriving and random.random() < 0.6:
            known.append(arriving.pop())
        after = clocks_at(now, *known)
        for announcement in changes(before, after, now=now):
            subscriber.hear(announcement)
        before = after

    assert subscriber.states == {
        (clock.target, clock.cycle): clock.state
        for clock in before
        if clock.target is not Target.CLASSIFICATION or clock.state is not ClockState.RUNNING
    }
    assert subscriber.missed == {
        (clock.target, clock.cycle): clock.due_at for clock in before if clock.breached_at
    }
