from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from huiyin_simulator.departments import DEPARTMENTS, Department, TicketInWork, department_of, plan

TICKET = TicketInWork("t1", nature="complaint", lang="zh", response_seconds=4, resolution_seconds=12)
ALWAYS_ON_TIME = Department("product", on_time=1, late=0)
ALWAYS_LATE = Department("product", on_time=0, late=1)
NEVER = Department("product", on_time=0, late=0)


def verbs_of(department: Department, *, seed: int = 1, ticket: TicketInWork = TICKET) -> list[str]:
    return [step.verb for step in plan(ticket, department, Random(seed))]


@pytest.mark.parametrize("seed", range(20))
def test_a_department_on_time_answers_and_resolves_within_the_spans(seed: int) -> None:
    at = {step.verb: step.after_seconds for step in plan(TICKET, ALWAYS_ON_TIME, Random(seed))}

    assert 0 < at["accept"] < at["answer"] < 4
    assert at["answer"] < at["resolve"] < 12


@pytest.mark.parametrize("seed", range(20))
def test_a_late_department_misses_both_spans(seed: int) -> None:
    at = {step.verb: step.after_seconds for step in plan(TICKET, ALWAYS_LATE, Random(seed))}

    assert at["answer"] > 4
    assert at["resolve"] > 12


def test_a_department_that_never_answers_accepts_at_most() -> None:
    plans = {tuple(verbs_of(NEVER, seed=seed)) for seed in range(40)}

    assert plans == {(), ("accept",)}


def test_a_satisfied_review_ends_the_work() -> None:
    assert verbs_of(ALWAYS_ON_TIME) == ["accept", "answer", "resolve", "review"]


def test_an_unsatisfied_review_is_followed_by_a_second_cycle() -> None:
    department = replace(ALWAYS_ON_TIME, unsatisfied=1)

    steps = plan(TICKET, department, Random(1))

    assert [step.verb for step in steps][2:] == ["resolve", "review", "answer", "resolve", "review"]
    assert [step.body["satisfied"] for step in steps if step.verb == "review"] == [False, True]


def test_a_returned_ticket_is_not_worked_on() -> None:
    (step,) = plan(TICKET, replace(ALWAYS_ON_TIME, returned=1), Random(1))

    assert step.verb == "return"
    assert step.body["reason"]


def test_a_rerouted_ticket_is_not_returned_again() -> None:
    department = replace(ALWAYS_ON_TIME, returned=1)

    assert "answer" in verbs_of(department, ticket=replace(TICKET, is_rerouted=True))


def test_tickets_are_assigned_where_there_are_people() -> None:
    department = department_of("product", people=("p1", "p2"))

    assignees = {
        step.body["assignee"]
        for seed in range(60)
        for step in plan(TICKET, department, Random(seed))
        if step.verb == "assign"
    }

    assert assignees == {"p1", "p2"}


@pytest.mark.parametrize("department", DEPARTMENTS, ids=lambda department: department.slug)
def test_steps_stand_in_order_of_time(department: Department) -> None:
    for seed in range(200):
        times = [step.after_seconds for step in plan(TICKET, department, Random(seed))]

        assert times == sorted(times)
        assert all(seconds > 0 for seconds in times)


def test_shares_come_out_as_the_profile_says() -> None:
    department = Department("product", on_time=0.6, late=0.3)

    counts: Counter[str] = Counter()
    for seed in range(1000):
        at = {step.verb: step.after_seconds for step in plan(TICKET, department, Random(seed))}
        counts["never" if "answer" not in at else "on_time" if at["answer"] < 4 else "late"] += 1

    assert 550 < counts["on_time"] < 650
    assert 250 < counts["late"] < 350
    assert 60 < counts["never"] < 140


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan(TICKET, DEPARTMENTS[0], Random(9)) == plan(TICKET, DEPARTMENTS[0], Random(9))


@pytest.mark.parametrize("lang", ["zh", "en", "fr"])
def test_answers_are_in_the_customers_language_or_english(lang: str) -> None:
    steps = plan(replace(TICKET, lang=lang), ALWAYS_ON_TIME, Random(1))

    text = next(str(step.body["text"]) for step in steps if step.verb == "answer")
    assert text.isascii() is (lang != "zh")


def test_an_unknown_nature_still_gets_an_answer() -> None:
    assert "answer" in verbs_of(ALWAYS_ON_TIME, ticket=replace(TICKET, nature="riddle"))


def test_an_unknown_department_has_ordinary_habits() -> None:
    department = department_of("stores")

    assert department.slug == "stores"
    assert department.on_time > department.late > department.never


@pytest.mark.parametrize("shares", [(0.8, 0.3, 0, 0), (-0.1, 0, 0, 0), (1, 0, 1.1, 0), (1, 0, 0, -1)])
def test_shares_that_cannot_be_are_refused(shares: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="shares of department"):
        Department("product", *shares)


def test_shares_may_add_up_to_one_with_rounding() -> None:
    department = Department("product", on_time=0.1 + 0.2, late=0.7)

    assert department.never == pytest.approx(0)
