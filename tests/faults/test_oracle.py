"""The counter's clocks: by hand where a calendar shows it, and beside the suite's own rules for stories by chance."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from huiyin_contracts.vocabulary import Outcome
from huiyin_sla.domain import clocks as rules
from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.china import china_calendar
from huiyin_sla.domain.facts import CaseFacts, Fact
from huiyin_sla.domain.policies import DEFAULT_POLICIES
from tests.faults.counter.oracle import Facts, Told, clocks

CALENDAR = china_calendar()
DAYS = CALENDAR.to_dict()
POLICIES: dict[str, Any] = DEFAULT_POLICIES.to_dict()
STORIES = 1500
# A Friday before a Sunday of work.
FRIDAY = datetime(2026, 9, 18, 2, 0, tzinfo=UTC)
STEPS = ("answered", "paused", "resumed", "resolved", "archived", "merged", "reopened")


def after(**span: float) -> datetime:
    return FRIDAY + timedelta(**span)


def told(
    *steps: tuple[datetime, str], policy: str = "ordinary", now: datetime
) -> dict[tuple[str, int], Told]:
    numbered = [(number, at, step) for number, (at, step) in enumerate(steps, start=2)]
    facts = Facts(FRIDAY, [(1, FRIDAY, "ticket")], [(1, FRIDAY, policy)], numbered)
    return clocks(facts, POLICIES, DAYS, now)


def test_an_answer_in_time_meets_its_target_and_a_late_one_does_not() -> None:
    in_time = told((after(hours=23), "answered"), now=after(hours=30))
    late = told((after(hours=25), "answered"), now=after(hours=30))

    assert in_time["response", 1] == Told("met", after(hours=24), after(hours=23))
    assert late["response", 1] == Told("breached", after(hours=24), after(hours=25))


def test_what_nobody_has_done_by_its_deadline_is_breached_and_before_that_it_runs() -> None:
    assert told(now=after(hours=24))["response", 1].state == "running"
    assert told(now=after(hours=24, seconds=1))["response", 1].state == "breached"


def test_working_days_skip_weekends_and_holidays_and_count_make_up_days() -> None:
    # Saturday is free, Sunday 20 September makes up for a day of the National Day week: 20, 21, 22, 23, 24.
    due = told(policy="complex", now=FRIDAY)["resolution", 1].due_at
    expected = CALENDAR.due_after_working_days(FRIDAY, 5)

    assert due == expected
    assert expected == datetime(2026, 9, 24, 10, 0, tzinfo=UTC)


def test_a_hold_moves_the_deadline_by_the_time_held() -> None:
    held = told((after(hours=10), "paused"), (after(hours=15), "resumed"), now=after(hours=20))

    assert held["resolution", 1].due_at == after(hours=77)
    assert held["response", 1].due_at == after(hours=24)


def test_a_reopening_opens_the_next_cycle_and_cancels_nothing_that_was_met() -> None:
    steps = ((after(hours=1), "resolved"), (after(hours=2), "reopened"))

    found = told(*steps, now=after(hours=3))

    assert found["resolution", 1].state == "met"
    assert found["resolution", 2] == Told("running", after(hours=74), None)


def stories() -> Iterator[tuple[int, Facts, datetime]]:
    for seed in range(STORIES):
        dice = random.Random(seed)
        yield seed, story(dice), FRIDAY + timedelta(hours=dice.uniform(0, 400))


def story(dice: random.Random) -> Facts:
    """Return any history of a case, in any order of times, as only faults and late events make them."""
    at = FRIDAY + timedelta(hours=dice.uniform(-200, 200))
    routings = [
        (number, at + timedelta(hours=dice.uniform(0, 60)), dice.choice(["ordinary", "complex", "urgent"]))
        for number in range(1, dice.choice([1, 2, 2, 3, 4]))
    ]
    outcomes = [
        (number, at + timedelta(hours=dice.uniform(0, 50)), dice.choice(list(Outcome)).value)
        for number in range(dice.randint(0, 3))
    ]
    steps, when = [], at + timedelta(hours=dice.uniform(0, 20))
    for number in range(2, 2 + dice.randint(0, 9)):
        when += timedelta(hours=dice.uniform(-1, 40))
        steps.append((number, when, dice.choice(STEPS)))
    return Facts(dice.choice([at, at, None]), outcomes, routings, steps)


def by_the_rules(facts: Facts, now: datetime) -> dict[tuple[str, int], Told]:
    known = [Fact("classified", at, number, outcome=Outcome(word)) for number, at, word in facts.outcomes]
    known += [Fact("routed", at, number, policy=word) for number, at, word in facts.routings]  # type: ignore[arg-type]  # names of policies
    known += [Fact(word, at, number) for number, at, word in facts.steps]  # type: ignore[arg-type]  # names of steps
    known += [Fact("received", facts.received_at)] if facts.received_at else []
    calendar: WorkCalendar = CALENDAR
    found = rules.clocks_of(CaseFacts("case", frozenset(known)), policies=DEFAULT_POLICIES, calendar=calendar)
    return {
        (clock.target.value, clock.cycle): Told(clock.as_of(now).state.value, clock.due_at, clock.met_at)
        for clock in found
    }


def test_oracle_and_rules_agree_on_every_story() -> None:
    for seed, facts, now in stories():
        assert clocks(facts, POLICIES, DAYS, now) == by_the_rules(facts, now), f"story {seed}: {facts}"


def test_the_oracle_is_no_copy_that_agrees_with_anything() -> None:
    seed, facts, now = next(each for each in stories() if each[1].routings)
    moved = facts._replace(routings=[(n, at + timedelta(hours=1), word) for n, at, word in facts.routings])

    assert clocks(moved, POLICIES, DAYS, now) != by_the_rules(facts, now), seed


@pytest.mark.parametrize("outcome", ["thanked", "not_feedback", "attached"])
def test_a_case_that_is_dismissed_is_over(outcome: str) -> None:
    facts = Facts(FRIDAY, [(2, after(hours=5), outcome)], [(1, FRIDAY, "ordinary")], [])

    found = clocks(facts, POLICIES, DAYS, after(hours=100))

    assert found["response", 1].state == found["resolution", 1].state == "cancelled"
