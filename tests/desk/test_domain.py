"""The ticket's rules: which verb fits, what it changes, what is due."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from huiyin_contracts.vocabulary import ClockState, Step, Target, TicketStatus
from huiyin_desk.domain import (
    ALLOWED,
    NEVER,
    OPEN,
    Action,
    Clock,
    TicketState,
    Verb,
    act,
    next_due,
    routed_anew,
)
from huiyin_desk.errors import TransitionNotAllowed

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)
FRESH = TicketState(TicketStatus.DISPATCHED)


def after(*actions: Action, ticket: TicketState = FRESH) -> TicketState:
    """Return a ticket after a row of actions."""
    for action in actions:
        move = act(ticket, action, now=NOON)
        ticket = move.after if move else ticket
    return ticket


ACCEPT = Action(Verb.ACCEPT)
ANSWER = Action(Verb.ANSWER, text="We are on it.")
RESOLVE = Action(Verb.RESOLVE, text="Refunded.")
SATISFIED = Action(Verb.REVIEW, satisfied=True)
UNSATISFIED = Action(Verb.REVIEW, satisfied=False)


def test_the_straight_way_ends_in_the_archive() -> None:
    assert after(ACCEPT, ANSWER, RESOLVE, SATISFIED).status is TicketStatus.ARCHIVED


def test_a_satisfied_review_announces_the_review_and_the_archiving() -> None:
    move = act(after(ACCEPT, RESOLVE), SATISFIED, now=NOON)

    assert move is not None
    assert [step for step, _ in move.steps] == [Step.REVIEWED, Step.ARCHIVED]


def test_an_unsatisfied_review_opens_the_next_cycle_with_nothing_done_yet() -> None:
    reopened = after(ACCEPT, ANSWER, RESOLVE, UNSATISFIED)

    assert reopened.status is TicketStatus.REOPENED
    assert reopened.cycle == 2
    assert reopened.answered_at is None
    assert reopened.resolved_at is None


@pytest.mark.parametrize("done", [(), (ACCEPT,), (ACCEPT, ANSWER), (ACCEPT, RESOLVE)])
def test_nothing_is_archived_without_a_satisfied_review(done: tuple[Action, ...]) -> None:
    with pytest.raises(TransitionNotAllowed) as refused:
        act(after(*done), Action(Verb.ARCHIVE), now=NOON)

    assert "archive" not in refused.value.allowed


def test_a_refusal_names_the_verbs_that_would_fit() -> None:
    with pytest.raises(TransitionNotAllowed) as refused:
        act(FRESH, SATISFIED, now=NOON)

    assert refused.value.status == "dispatched"
    assert refused.value.allowed == ["accept", "answer", "assign", "merge", "resolve", "return"]


@pytest.mark.parametrize(
    "done",
    [
        (ACCEPT,),
        (ACCEPT, Action(Verb.ASSIGN, assignee="p-1")),
        (ACCEPT, ANSWER),
        (ACCEPT, Action(Verb.PAUSE, reason="waiting")),
        (ACCEPT, Action(Verb.PAUSE, reason="waiting"), Action(Verb.RESUME)),
        (ACCEPT, RESOLVE),
        (ACCEPT, RESOLVE, SATISFIED),
        (ACCEPT, RESOLVE, UNSATISFIED),
        (ACCEPT, RESOLVE, SATISFIED, Action(Verb.REOPEN, reason="again")),
        (Action(Verb.RETURN, reason="not ours"),),
        (Action(Verb.MERGE, into="t-2"),),
        (ACCEPT, RESOLVE, SATISFIED, Action(Verb.ARCHIVE)),
    ],
)
def test_a_verb_that_already_holds_changes_nothing(done: tuple[Action, ...]) -> None:
    ticket = after(*done)

    assert act(ticket, done[-1], now=NOON + timedelta(hours=1)) is None


def test_another_answer_is_another_step_but_the_first_one_counts() -> None:
    answered = after(ACCEPT, ANSWER)

    move = act(answered, Action(Verb.ANSWER, text="And one more thing."), now=NOON + timedelta(hours=1))

    assert move is not None
    assert move.after.answered_at == NOON
    assert move.after.answer == "And one more thing."


def test_resuming_goes_back_to_where_the_pause_began() -> None:
    pause, resume = Action(Verb.PAUSE, reason="part ordered"), Action(Verb.RESUME)

    assert after(ACCEPT, pause, resume).status is TicketStatus.ACCEPTED
    assert after(ACCEPT, ANSWER, pause, resume).status is TicketStatus.ANSWERED


def test_an_answer_on_hold_does_not_end_the_hold() -> None:
    assert after(ACCEPT, Action(Verb.PAUSE, reason="x"), ANSWER).status is TicketStatus.PAUSED


def test_a_ticket_routed_anew_is_nobodys_yet() -> None:
    returned = after(ACCEPT, Action(Verb.ASSIGN, assignee="p-1"), Action(Verb.RETURN, reason="not ours"))

    anew = routed_anew(returned)

    assert anew.status is TicketStatus.DISPATCHED
    assert anew.assignee is None


ACTIONS = st.sampled_from(
    [
        ACCEPT,
        ANSWER,
        RESOLVE,
        SATISFIED,
        UNSATISFIED,
        Action(Verb.RETURN, reason="r"),
        Action(Verb.ASSIGN, assignee="p-1"),
        Action(Verb.PAUSE, reason="r"),
        Action(Verb.RESUME),
        Action(Verb.REOPEN, reason="r"),
        Action(Verb.ARCHIVE),
        Action(Verb.MERGE, into="t-2"),
    ]
)


@given(st.lists(ACTIONS, max_size=30))
def test_every_history_is_a_path_of_allowed_moves(actions: list[Action]) -> None:
    ticket = FRESH
    for action in actions:
        move = None
        with suppress(TransitionNotAllowed):
            move = act(ticket, action, now=NOON)
        if move is None:
            continue
        assert action.verb in ALLOWED[ticket.status]
        assert move.after.cycle in {ticket.cycle, ticket.cycle + 1}
        if move.after.status is TicketStatus.ARCHIVED:
            assert move.after.satisfied
        ticket = move.after


def clock(target: Target, hours: int, state: ClockState = ClockState.RUNNING, cycle: int = 1) -> Clock:
    return Clock(target, cycle, state, NOON + timedelta(hours=hours))


def test_the_next_thing_due_is_the_earliest_that_is_outstanding() -> None:
    clocks = [clock(Target.RESPONSE, 24), clock(Target.RESOLUTION, 72)]

    assert next_due(FRESH, clocks) == NOON + timedelta(hours=24)
    assert next_due(after(ACCEPT, ANSWER), clocks) == NOON + timedelta(hours=72)
    assert next_due(after(ACCEPT, RESOLVE), clocks) == NEVER


def test_a_missed_deadline_stays_due_until_the_work_is_done() -> None:
    clocks = [clock(Target.RESPONSE, -1, ClockState.BREACHED), clock(Target.RESOLUTION, 72)]

    assert next_due(FRESH, clocks) == NOON - timedelta(hours=1)
    assert next_due(after(ACCEPT, ANSWER), clocks) == NOON + timedelta(hours=72)


def test_paused_clocks_and_those_of_an_earlier_cycle_are_not_due() -> None:
    reopened = after(ACCEPT, RESOLVE, UNSATISFIED)

    assert next_due(FRESH, [clock(Target.RESOLUTION, 72, ClockState.PAUSED)]) == NEVER
    assert next_due(reopened, [clock(Target.RESOLUTION, 72)]) == NEVER
    assert next_due(reopened, [clock(Target.RESOLUTION, 99, cycle=2)]) == NOON + timedelta(hours=99)


def test_open_statuses_are_those_in_which_something_can_be_due() -> None:
    assert TicketStatus.RESOLVED not in OPEN
    assert {TicketStatus.DISPATCHED, TicketStatus.REOPENED, TicketStatus.PAUSED} <= OPEN
