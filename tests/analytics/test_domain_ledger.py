"""A ledger depends on what was heard, never on the order or number of tellings."""

import random

import pytest

from huiyin_analytics.domain.facts import tellings
from huiyin_analytics.domain.ledger import Fact, Kind, Ledger, facts_of, merged
from huiyin_contracts.event import Envelope
from huiyin_contracts.registry import parse_event
from huiyin_contracts.vocabulary import Outcome, Step
from tests.analytics.stories import Story, handled, many_stories, published


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
