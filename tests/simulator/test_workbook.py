from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from huiyin_simulator import workbook
from huiyin_simulator.agenda import Agenda
from huiyin_simulator.departments import Department
from huiyin_simulator.policies import Promise
from huiyin_simulator.workbook import Call, Workbook

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
PROMISE = Promise(response_seconds=10, resolution_seconds=20)
POLICIES = {"ordinary": PROMISE, "complex": PROMISE, "urgent": PROMISE}


def ticket(ticket_id: str = "t1", **changes: Any) -> dict[str, Any]:
    return {
        "id": ticket_id,
        "department": "product",
        "version": 1,
        "nature": "complaint",
        "urgency": "normal",
        "complex": False,
        "text": "屏幕碎了",
        "created_at": AT.isoformat(),
        **changes,
    }


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Workbook:
    """Give a book of departments that always answer in time, so that a plan has four steps."""
    habits = Department("product", on_time=1, late=0)
    monkeypatch.setattr(workbook, "department_of", lambda *_, **__: habits)
    return Workbook(Random(1), policies=POLICIES)


def verbs(calls: list[Call]) -> list[str]:
    return [call.step.verb for call in calls]


def play(book: Workbook, *, until: float, tick: float = 0.1) -> list[tuple[float, str]]:
    """Make every call the moment it is due, and return (second, verb) in that order."""
    made, version = [], 1
    for number in range(int(until / tick)):
        now = number * tick
        for call in book.take_due(now):
            version += 1
            made.append((now, call.step.verb))
            book.record(call, version=version)
    return made


def test_the_agenda_gives_what_is_due_in_order_of_time_and_only_once() -> None:
    agenda: Agenda[str] = Agenda()
    for at, item in ((3.0, "c"), (1.0, "a"), (2.0, "b"), (1.0, "a, later")):
        agenda.add(item, at=at)

    assert agenda.take_due(0.9) == []
    assert agenda.take_due(2.0) == ["a", "a, later", "b"]
    assert (agenda.take_due(2.5), len(agenda)) == ([], 1)


def test_a_ticket_is_worked_on_in_the_order_of_its_plan_and_within_its_promise(book: Workbook) -> None:
    book.take_in(ticket(), now=0, at=AT)

    made = play(book, until=30)

    assert [verb for _, verb in made] == ["accept", "answer", "resolve", "review"]
    assert made[1][0] < PROMISE.response_seconds
    assert made[2][0] < PROMISE.resolution_seconds
    assert book.is_idle


def test_the_next_step_waits_until_the_one_before_is_done(book: Workbook) -> None:
    book.take_in(ticket(), now=0, at=AT)

    (accept,) = book.take_due(1000)
    assert (book.take_due(1000), book.is_idle) == ([], False)
    book.record(accept, version=2)

    assert verbs(book.take_due(1000)) == ["answer"]


def test_a_ticket_seen_again_in_the_queue_is_planned_once(book: Workbook) -> None:
    assert book.take_in(ticket(), now=0, at=AT)

    assert not book.take_in(ticket(), now=1, at=AT)
    assert not book.take_in(ticket(version=2), now=1, at=AT), "a customer's reply is no new ticket"
    assert len(play(book, until=30)) == 4


def test_a_ticket_given_up_is_left_alone(book: Workbook) -> None:
    book.take_in(ticket(), now=0, at=AT)

    book.take_due(1000)
    book.give_up()

    assert book.is_idle
    assert book.take_due(2000) == []


def test_a_step_that_is_skipped_is_followed_by_the_next(book: Workbook) -> None:
    book.take_in(ticket(), now=0, at=AT)
    (accept,) = book.take_due(1000)

    book.skip(accept)

    assert verbs(book.take_due(1000)) == ["answer"]


def test_a_returned_ticket_is_planned_anew_in_its_next_department_and_kept_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    habits = Department("product", on_time=1, late=0, returned=1)
    monkeypatch.setattr(workbook, "department_of", lambda *_, **__: habits)
    book = Workbook(Random(1), policies=POLICIES)
    book.take_in(ticket(), now=0, at=AT)
    (returned,) = book.take_due(1000)
    book.record(returned, version=2)

    assert not book.take_in(ticket(version=1), now=1001, at=AT), "a page that was read before the return"
    assert book.take_in(ticket(version=3, department="logistics"), now=1001, at=AT)

    (call,) = book.take_due(2000)
    assert (returned.step.verb, call.step.verb, call.department) == ("return", "accept", "logistics")


@pytest.mark.parametrize(("waited", "latest"), [(0, 10), (5, 5), (60, 3)])
def test_a_ticket_that_has_waited_has_less_time_left_but_some(
    book: Workbook, waited: float, latest: float
) -> None:
    book.take_in(ticket(), now=0, at=AT + timedelta(seconds=waited))

    answered = next(at for at, verb in play(book, until=30) if verb == "answer")

    assert answered <= latest


def test_the_customer_is_answered_in_the_language_of_the_text(book: Workbook) -> None:
    book.take_in(ticket("zh"), now=0, at=AT)
    book.take_in(ticket("en", text="The screen broke"), now=0, at=AT)
    accepted = book.take_due(1000)
    for call in accepted:
        book.record(call, version=2)

    answers = {call.ticket_id: str(call.step.body["text"]) for call in book.take_due(1000)}

    assert not answers["zh"].isascii()
    assert answers["en"].isascii()


def test_the_same_seed_makes_the_same_plans() -> None:
    def planned() -> list[tuple[float, str]]:
        book = Workbook(Random(7), policies=POLICIES)
        for number in range(30):
            book.take_in(ticket(f"t{number}"), now=number, at=AT)
        return play(book, until=100)

    assert planned() == planned()
