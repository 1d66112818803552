"""Clocks: what the facts of a case say about its promises, in whatever order they came."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huiyin_contracts.vocabulary import ClockState, Outcome, Target
from huiyin_sla.domain.china import china_calendar
from huiyin_sla.domain.clocks import Clock, clocks_of
from huiyin_sla.domain.facts import STEPS, CaseFacts, Fact, FactKind
from huiyin_sla.domain.policies import DEFAULT_POLICIES, PolicyName
from huiyin_sla.errors import TimeNotAware

CN = china_calendar()
MONDAY = datetime(2026, 11, 23, 2, tzinfo=UTC)  # 10:00 in Shanghai
RUNNING, PAUSED = ClockState.RUNNING, ClockState.PAUSED
MET, BREACHED, CANCELLED = ClockState.MET, ClockState.BREACHED, ClockState.CANCELLED


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def fact(kind: FactKind, after_hours: float, sequence: int = 0) -> Fact:
    return Fact(kind, MONDAY + hours(after_hours), sequence)


def routed(after_hours: float = 0, *, policy: PolicyName = "ordinary", number: int = 1) -> Fact:
    return Fact("routed", MONDAY + hours(after_hours), number, policy=policy)


def classified(after_hours: float, outcome: Outcome, *, revision: int = 1) -> Fact:
    return Fact("classified", MONDAY + hours(after_hours), revision, outcome=outcome)


def clocks(*facts: Fact) -> dict[tuple[Target, int], Clock]:
    ledger = CaseFacts("case-1").with_facts(*facts)
    return {
        (clock.target, clock.cycle): clock
        for clock in clocks_of(ledger, policies=DEFAULT_POLICIES, calendar=CN)
    }


def classification(*facts: Fact) -> Clock:
    return clocks(*facts)[Target.CLASSIFICATION, 1]


def response(*facts: Fact, cycle: int = 1) -> Clock:
    return clocks(*facts)[Target.RESPONSE, cycle]


def resolution(*facts: Fact, cycle: int = 1) -> Clock:
    return clocks(*facts)[Target.RESOLUTION, cycle]


STORY = (
    fact("received", -1),
    classified(-0.9, Outcome.TRIAGE, revision=1),
    classified(-0.1, Outcome.TICKET, revision=2),
    routed(0, policy="complex", number=1),
    routed(3, policy="urgent", number=2),
    fact("answered", 5, 2),
    fact("paused", 6, 3),
    fact("resumed", 30, 4),
    fact("resolved", 40, 5),
    fact("reopened", 50, 6),
    fact("paused", 51, 7),
    fact("paused", 52, 8),
    fact("resumed", 60, 9),
    fact("resolved", 70, 10),
    fact("archived", 80, 11),
)


def test_a_case_not_yet_routed_has_the_classification_clock_only() -> None:
    found = clocks(fact("received", 0))

    assert list(found) == [(Target.CLASSIFICATION, 1)]
    assert found[Target.CLASSIFICATION, 1].due_at == MONDAY + hours(1)
    assert found[Target.CLASSIFICATION, 1].state is RUNNING


def test_an_outcome_within_the_hour_meets_the_classification_clock() -> None:
    clock = classification(fact("received", 0), classified(1, Outcome.THANKED))

    assert (clock.state, clock.met_at) == (MET, MONDAY + hours(1))


def test_triage_does_not_stop_the_classification_clock_but_its_decision_does() -> None:
    waiting = (fact("received", 0), classified(0.1, Outcome.TRIAGE))

    assert classification(*waiting).state is RUNNING
    assert classification(*waiting, classified(0.5, Outcome.TICKET, revision=2)).state is MET
    assert classification(*waiting, classified(1.5, Outcome.TICKET, revision=2)).state is BREACHED


def test_a_correction_does_not_move_the_time_of_classification() -> None:
    clock = classification(
        fact("received", 0),
        classified(0.2, Outcome.TICKET),
        classified(9, Outcome.NOT_FEEDBACK, revision=2),
    )

    assert (clock.state, clock.met_at) == (MET, MONDAY + hours(0.2))


def test_a_routing_implies_a_classification_that_is_still_on_its_way() -> None:
    assert classification(fact("received", -0.5), routed()).state is MET


@pytest.mark.parametrize(
    ("policy", "response_hours", "resolution_due"),
    [
        ("ordinary", 24, MONDAY + hours(72)),
        ("complex", 48, datetime(2026, 11, 30, 10, tzinfo=UTC)),
        ("urgent", 4, MONDAY + hours(24)),
    ],
)
def test_the_first_routing_starts_both_clocks_by_its_policy(
    policy: PolicyName, response_hours: int, resolution_due: datetime
) -> None:
    found = clocks(routed(policy=policy))

    assert {clock.started_at for clock in found.values()} == {MONDAY}
    assert {clock.policy for clock in found.values()} == {policy}
    assert found[Target.RESPONSE, 1].due_at == MONDAY + hours(response_hours)
    assert found[Target.RESOLUTION, 1].due_at == resolution_due


def test_routing_anew_restarts_nothing_and_keeps_the_policy() -> None:
    assert clocks(routed()) == clocks(routed(), routed(20, policy="urgent", number=2))


def test_an_answer_at_the_deadline_is_in_time_and_one_after_it_is_not() -> None:
    just_after = Fact("answered", MONDAY + hours(24) + timedelta(microseconds=1))

    in_time = response(routed(), fact("answered", 24))
    late = response(routed(), just_after)

    assert (in_time.state, in_time.breached_at) == (MET, None)
    assert (late.state, late.breached_at, late.met_at) == (BREACHED, MONDAY + hours(24), just_after.at)


def test_the_first_of_several_answers_counts() -> None:
    clock = response(routed(), fact("answered", 30, 3), fact("answered", 2, 2))

    assert (clock.state, clock.met_at) == (MET, MONDAY + hours(2))


def test_a_solution_counts_as_an_answer_but_an_answer_not_as_a_solution() -> None:
    assert response(routed(), fact("resolved", 3)).state is MET
    assert resolution(routed(), fact("answered", 3)).state is RUNNING


def test_facts_alone_never_breach_a_silent_clock_but_the_time_does() -> None:
    clock = response(routed())

    assert clock.state is RUNNING
    assert clock.as_of(clock.due_at).state is RUNNING
    assert clock.as_of(clock.due_at + timedelta(microseconds=1)).state is BREACHED


@pytest.mark.parametrize("state", [MET, PAUSED, CANCELLED])
def test_only_a_running_clock_runs_out(state: ClockState) -> None:
    facts = {
        MET: fact("resolved", 1),
        PAUSED: fact("paused", 1),
        CANCELLED: fact("archived", 1),
    }
    clock = resolution(routed(), facts[state])

    assert clock.state is state
    assert clock.as_of(MONDAY + hours(9999)) == clock


def test_a_hold_moves_the_solution_by_the_time_held() -> None:
    clock = resolution(routed(), fact("paused", 10, 2), fact("resumed", 20, 3))

    assert (clock.state, clock.due_at) == (RUNNING, MONDAY + hours(72 + 10))


def test_a_case_on_hold_keeps_its_old_deadline_and_says_since_when() -> None:
    clock = resolution(routed(), fact("paused", 10, 2))

    assert (clock.state, clock.due_at) == (PAUSED, MONDAY + hours(72))
    assert clock.paused_at == MONDAY + hours(10)


def test_a_hold_does_not_pause_the_first_answer() -> None:
    clock = response(routed(), fact("paused", 10, 2), fact("resumed", 20, 3))

    assert (clock.state, clock.due_at) == (RUNNING, MONDAY + hours(24))


def test_moving_between_two_reasons_to_wait_counts_once() -> None:
    clock = resolution(
        routed(), fact("paused", 10, 2), fact("paused", 15, 3), fact("resumed", 20, 4), fact("resumed", 30, 5)
    )

    assert clock.due_at == MONDAY + hours(72 + 10)


def test_several_holds_add_up() -> None:
    steps = [
        fact("paused", 1, 2), fact("resumed", 2, 3), fact("paused", 70, 4), fact("resumed", 170, 5)
    ]  # fmt: skip

    assert resolution(routed(), *steps).due_at == MONDAY + hours(72 + 1 + 100)


def test_a_hold_after_the_deadline_saves_nothing() -> None:
    clock = resolution(routed(), fact("paused", 73, 2), fact("resumed", 99, 3))

    assert clock.due_at == MONDAY + hours(72)
    assert resolution(routed(), fact("paused", 73)).as_of(MONDAY + hours(74)).state is BREACHED


def test_solving_a_case_on_hold_ends_the_hold_in_time() -> None:
    clock = resolution(routed(), fact("paused", 10, 2), fact("resolved", 500, 3), fact("resumed", 900, 4))

    assert (clock.state, clock.met_at) == (MET, MONDAY + hours(500))
    assert clock.due_at == MONDAY + hours(72 + 490)


@pytest.mark.parametrize(
    ("paused_after", "resumed_after", "due"),
    [
        (0, 48, datetime(2026, 12, 2, 10, tzinfo=UTC)),  # two working days give two
        (1, 3, datetime(2026, 12, 1, 3, tzinfo=UTC)),  # two working hours spill into the next morning
        (9, 22, datetime(2026, 11, 30, 10, tzinfo=UTC)),  # a night gives nothing
        (105, 117, datetime(2026, 11, 30, 10, tzinfo=UTC)),  # neither does a weekend
    ],
)
def test_a_hold_moves_a_deadline_in_working_days_by_the_working_time_held(
    paused_after: int, resumed_after: int, due: datetime
) -> None:
    clock = resolution(
        routed(policy="complex"), fact("paused", paused_after, 2), fact("resumed", resumed_after, 3)
    )

    assert clock.due_at == due


def test_warnings_stand_at_half_and_three_quarters() -> None:
    clock = resolution(routed())

    points = {point.percent: point.at for point in clock.warning_points}
    assert points == {50: MONDAY + hours(36), 75: MONDAY + hours(54)}


def test_a_hold_moves_only_the_warnings_that_were_still_to_come() -> None:
    clock = resolution(routed(), fact("paused", 40, 2), fact("resumed", 50, 3))

    points = {point.percent: point.at for point in clock.warning_points}
    assert points == {50: MONDAY + hours(36), 75: MONDAY + hours(64)}


def test_reopening_opens_the_next_cycle_with_the_same_policy() -> None:
    found = clocks(
        routed(policy="urgent"), fact("resolved", 2, 2), fact("reopened", 50, 3), fact("answered", 51, 4)
    )

    assert found[Target.RESOLUTION, 1].state is MET
    assert found[Target.RESPONSE, 2].started_at == MONDAY + hours(50)
    assert found[Target.RESPONSE, 2].due_at == MONDAY + hours(54)
    assert found[Target.RESPONSE, 2].state is MET
    assert found[Target.RESOLUTION, 2].due_at == MONDAY + hours(74)
    assert found[Target.RESOLUTION, 2].state is RUNNING


def test_a_case_routed_anew_by_another_policy_reopens_with_that_one() -> None:
    found = clocks(routed(), routed(5, policy="urgent", number=2), fact("reopened", 50, 3))

    assert found[Target.RESPONSE, 1].policy == "ordinary"
    assert found[Target.RESPONSE, 2].policy == "urgent"


def test_a_breach_of_one_cycle_stays_when_the_next_is_met() -> None:
    facts = (routed(), fact("resolved", 90, 2), fact("reopened", 100, 3), fact("resolved", 101, 4))

    assert resolution(*facts).state is BREACHED
    assert resolution(*facts, cycle=2).state is MET


def test_steps_follow_the_tickets_version_when_the_desks_clock_went_back() -> None:
    found = clocks(
        routed(), fact("resolved", 5, 2), fact("reopened", 4, 3), fact("resumed", 3, 4), fact("paused", 5, 5)
    )

    assert found[Target.RESOLUTION, 1].state is MET
    assert found[Target.RESOLUTION, 2].state is PAUSED


@pytest.mark.parametrize("kind", ["archived", "merged"])
def test_closing_a_case_before_the_deadline_cancels_what_still_runs(kind: FactKind) -> None:
    found = clocks(routed(), fact("answered", 1, 2), fact(kind, 30, 3), fact("resolved", 31, 4))

    assert found[Target.RESPONSE, 1].state is MET
    assert found[Target.RESOLUTION, 1].state is CANCELLED
    assert found[Target.RESOLUTION, 1].ended_at == MONDAY + hours(30)


def test_closing_a_case_after_the_deadline_does_not_hide_the_breach() -> None:
    clock = response(routed(), fact("merged", 30, 2))

    assert (clock.state, clock.breached_at) == (BREACHED, MONDAY + hours(24))


def test_closing_a_case_on_hold_cancels_it() -> None:
    clock = resolution(routed(), fact("paused", 10, 2), fact("merged", 500, 3))

    assert clock.state is CANCELLED


@pytest.mark.parametrize("outcome", [Outcome.ATTACHED, Outcome.THANKED, Outcome.NOT_FEEDBACK])
def test_a_correction_that_takes_the_case_off_the_desk_cancels_its_clocks(outcome: Outcome) -> None:
    found = clocks(classified(0, Outcome.TICKET), routed(), classified(2, outcome, revision=2))

    assert {clock.state for clock in found.values()} == {CANCELLED}


def test_a_case_brought_back_by_a_second_correction_runs_on() -> None:
    found = clocks(
        routed(), classified(2, Outcome.NOT_FEEDBACK, revision=2), classified(3, Outcome.TICKET, revision=3)
    )

    assert {clock.state for clock in found.values()} == {RUNNING}


def test_a_case_reopened_after_it_was_dismissed_runs_again() -> None:
    facts = (routed(), classified(2, Outcome.NOT_FEEDBACK, revision=2), fact("reopened", 5, 2))

    assert resolution(*facts).state is CANCELLED
    assert resolution(*facts, cycle=2).state is RUNNING


@pytest.mark.parametrize("after_hours", range(1, 13))
def test_steps_of_one_instant_without_versions_take_their_natural_order(after_hours: int) -> None:
    held = resolution(routed(), fact("resumed", after_hours), fact("paused", after_hours))
    solved = resolution(routed(), fact("reopened", after_hours), fact("resolved", after_hours))

    assert held.state is RUNNING
    assert solved.state is MET


@pytest.mark.parametrize(
    ("paused_after", "resumed_after", "due_hours"),
    [(72, 80, 80), (-5, 10, 82), (10, 9, 72)],
    ids=["from the deadline itself", "from before the routing", "ended before it began"],
)
def test_a_hold_at_an_edge_counts_for_what_it_was(
    paused_after: int, resumed_after: int, due_hours: int
) -> None:
    clock = resolution(routed(), fact("paused", paused_after, 2), fact("resumed", resumed_after, 3))

    assert clock.due_at == MONDAY + hours(due_hours)


def test_a_hold_after_the_solution_changes_nothing() -> None:
    clock = resolution(routed(), fact("resolved", 5, 2), fact("paused", 6, 3), fact("resumed", 8, 4))

    assert clock.due_at == MONDAY + hours(72)


def test_what_happens_at_the_deadline_itself_is_in_time() -> None:
    assert response(routed(), fact("merged", 24)).state is CANCELLED
    assert resolution(routed(), fact("paused", 72)).state is PAUSED


def test_steps_without_a_routing_wait_for_it() -> None:
    assert clocks(fact("answered", 1), fact("reopened", 2)) == {}


@given(st.permutations(STORY), st.integers(0, len(STORY)))
@settings(deadline=None)
def test_the_same_facts_give_the_same_clocks_in_any_order_and_any_number(
    facts: list[Fact], repeated: int
) -> None:
    ledger = CaseFacts("case-1")
    for one in [*facts, *facts[:repeated]]:
        ledger = ledger.with_facts(one)

    assert clocks(*ledger.facts) == clocks(*STORY)


@st.composite
def facts_of_any_case(draw: st.DrawFn) -> list[Fact]:
    """Facts on a coarse grid of hours, so that equal times and versions are common."""
    hour = st.integers(0, 12).map(lambda step: step * 12)
    kind = st.sampled_from(STEPS)
    steps = st.builds(fact, kind, hour, st.integers(0, 3))
    policy = st.sampled_from(["ordinary", "complex", "urgent"])
    routings = st.builds(
        lambda at, name, number: routed(at, policy=name, number=number), hour, policy, st.integers(1, 3)
    )
    outcomes = st.builds(
        lambda at, outcome, revision: classified(at, outcome, revision=revision),
        hour,
        st.sampled_from(list(Outcome)),
        st.integers(1, 3),
    )
    received = st.builds(lambda at: fact("received", at), hour)
    return draw(st.lists(st.one_of(steps, steps, routings, outcomes, received), max_size=12))


@given(facts_of_any_case(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_any_facts_give_the_same_sound_clocks_in_any_order(facts: list[Fact], shuffler: Random) -> None:
    shuffled = list(facts)
    shuffler.shuffle(shuffled)

    found = clocks(*facts)

    assert clocks(*shuffled) == found
    for clock in found.values():
        first, second = (point.at for point in clock.warning_points)
        assert clock.started_at < first <= second <= clock.due_at
        assert (clock.state is MET) == (clock.met_at is not None and clock.met_at <= clock.due_at)
        assert (clock.paused_at is not None) == (clock.state is PAUSED)
        assert (clock.breached_at is not None) == (clock.state is BREACHED)


def test_a_fact_is_kept_in_utc_and_needs_its_zone() -> None:
    assert Fact("answered", datetime.fromisoformat("2026-11-23T10:00:00+08:00")).at.tzinfo is UTC
    with pytest.raises(TimeNotAware):
        Fact("answered", datetime(2026, 11, 23))  # noqa: DTZ001  # the fault under test
