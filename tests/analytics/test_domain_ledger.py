"""A ledger depends on what was heard, never on the order or number of tellings."""

import random

import pytest

from huiyin_analytics.domain.facts import tellings
from huiyin_analytics.domain.ledger import Fact, Kind, Ledger, facts_of, is_of, merged, stamp
from huiyin_contracts.event import Envelope
from huiyin_contracts.registry import parse_event
from huiyin_contracts.sla import ScheduledClock, SlaScheduledV2
from huiyin_contracts.vocabulary import ClockState, Outcome, Step, Target
from tests.analytics.stories import NOON, Story, handled, many_stories, published


def ledgers_of(envelopes: list[Envelope]) -> dict[str, Ledger]:
    """Enter events one by one, as they come."""
    ledgers: dict[str, Ledger] = {}
    for envelope in envelopes:
        event = parse_event(envelope)
        for case_id, fact in tellings(event, event_id=envelope.id, sequence=envelope.sequence):
            ledgers[case_id] = merged(ledgers.get(case_id, {}), [fact])
    return ledgers


@pytest.mark.parametrize("seed", range(10))
def test_any_order_and_repetition_of_events_gives_the_same_ledgers(seed: int) -> None:
    chance = random.Random(seed)
    log = published(many_stories(30, seed=seed))
    heard = [*log, *chance.sample(log, len(log) // 2)]
    chance.shuffle(heard)

    assert ledgers_of(heard) == ledgers_of(log)


def test_a_fact_told_again_leaves_the_very_same_ledger() -> None:
    ledger = ledgers_of(published([handled()]))["f-1"]

    assert merged(ledger, facts_of(ledger)) is ledger


def test_a_correction_holds_also_when_it_is_heard_first() -> None:
    first, second = Story("f-1").classified(Outcome.TRIAGE).classified(Outcome.THANKED).events

    for events in ([first, second], [second, first]):
        ledger: Ledger = {}
        for event in events:
            facts = [fact for _, fact in tellings(event, event_id="e", sequence=1)]
            ledger = merged(ledger, facts)
        assert dict(ledger[Kind.CLASSIFIED][1])["outcome"] == "thanked"


def test_of_two_contracts_the_later_holds_whichever_is_heard_first_and_whatever_their_numbers() -> None:
    story = Story("f-1").routed().scheduled_before(Target.RESPONSE, ClockState.RUNNING, due=90)
    story.scheduled_before(Target.RESPONSE, ClockState.PAUSED, due=100)
    story.scheduled(Target.RESPONSE, ClockState.MET, due=100, met=50)
    log = published([story])

    for heard in (log, log[::-1]):
        [clock] = [fact for fact in facts_of(ledgers_of(heard)["f-1"]) if fact.kind is Kind.CLOCK]
        assert (clock.said["state"], clock.said["met_at"]) == ("met", stamp(story.at(50)))


def test_each_clock_that_is_told_of_together_is_a_fact_of_its_own() -> None:
    told = [
        ScheduledClock(
            target=target,
            cycle=1,
            policy="every",
            due_at=NOON,
            state=ClockState.RUNNING,
            started_at=NOON,
            calendar="cn",
            calendar_version="2026",
        )
        for target in (Target.CLASSIFICATION, Target.RESPONSE)
    ]
    event = SlaScheduledV2(ticket_id="f-1", department="product", scheduled_at=NOON, clocks=told)

    found = [fact for _, fact in tellings(event, event_id="e-1", sequence=1)]

    assert [(fact.of, fact.said["department"]) for fact in found] == [
        ("classification/1", None),
        ("response/1", "product"),
    ]


def test_only_the_first_answer_of_a_cycle_is_kept() -> None:
    story = Story("f-1").step(Step.ANSWERED, after=10).step(Step.ANSWERED, after=20)
    story.step(Step.REOPENED, after=30).step(Step.ANSWERED, after=40)

    ledger = ledgers_of(published([story])[::-1])["f-1"]

    answers = [fact for fact in facts_of(ledger) if fact.said.get("step") == "answered"]
    assert sorted(fact.said["version"] for fact in answers) == [2, 5]


def test_of_two_different_tellings_of_one_rank_the_order_does_not_choose() -> None:
    one = Fact(Kind.RECEIVED, {"channel": "wechat", "store": None})
    other = Fact(Kind.RECEIVED, {"channel": "hotline", "store": "s"})

    assert merged({}, [one, other]) == merged({}, [other, one])


def test_a_ledger_is_made_of_its_facts_again() -> None:
    for ledger in ledgers_of(published(many_stories(10))).values():
        assert merged({}, facts_of(ledger)) == ledger


def test_facts_of_kinds_that_are_not_known_are_left_out() -> None:
    ledger: Ledger = {"foretold 1": [0, {}], "received": [0, {"channel": "wechat"}]}

    assert facts_of(ledger) == [Fact(Kind.RECEIVED, {"channel": "wechat"})]


@pytest.mark.parametrize("kind", Kind)
def test_a_name_tells_its_kind(kind: Kind) -> None:
    for of in ("", "1", "response 2"):
        name = Fact(kind, {}, of).name

        assert [other for other in Kind if is_of(name, other)] == [kind]
