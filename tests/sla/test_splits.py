"""What sla keeps does not depend on how the bus cuts the stream into batches."""

import random
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from huiyin_contracts.event import Event
from huiyin_contracts.vocabulary import Outcome
from huiyin_eventbus.subscriptions import Received
from huiyin_sla.app import SERVICE
from huiyin_sla.models import case_fact, clock, sla_case
from tests.sla.driver import NOON, attached, classified, hours, progressed, received, routed
from tests.support import splits

TABLES = (sla_case, case_fact, clock)


def stream_of(seed: int) -> list[Received[Any]]:
    """Return the events of some cases in any order: the topics promise none between them."""
    chance = random.Random(seed)
    told = [event for number in range(8) for event in _case(f"case-{number}", chance)]
    chance.shuffle(told)
    return splits.received([*told, *chance.sample(told, len(told) // 4)])


def _case(case_id: str, chance: random.Random) -> list[Event]:
    at = NOON + timedelta(minutes=chance.randrange(5000))
    told: list[Event] = [received(case_id, at=at)]
    match chance.randrange(4):
        case 0:
            told.append(classified(case_id, at=at, outcome=Outcome.TRIAGE))
            told.append(classified(case_id, at=at + hours(2), outcome=Outcome.THANKED, revision=2))
            return told
        case 1:
            return [*told, attached(case_id, to="case-0", at=at)]
    urgency = chance.choice(["normal", "urgent", "complaint"])
    told += [classified(case_id, at=at), routed(case_id, at=at, urgency=urgency)]
    if chance.random() < 0.4:
        told.append(routed(case_id, at=at + hours(1), department="product", routing=2))
    steps = ["answered", "paused", "resumed", "resolved", "reopened", "answered", "resolved", "archived"]
    for version, step in enumerate(steps[: chance.randrange(len(steps) + 1)], start=2):
        told.append(progressed(step, case_id, at=at + hours(version * 7), version=version))
    return told


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), data=st.data())
def test_any_cut_of_a_stream_gives_the_same_tables(seed: int, data: st.DataObject) -> None:
    stream = stream_of(seed)
    places = data.draw(splits.cuts(len(stream)))

    cut, whole = splits.cut_and_whole(SERVICE, stream, places, tables=TABLES)

    assert cut == whole


def test_event_by_event_gives_the_same_tables() -> None:
    stream = stream_of(seed=3)

    one_by_one, whole = splits.cut_and_whole(SERVICE, stream, range(1, len(stream)), tables=TABLES)

    assert one_by_one == whole
