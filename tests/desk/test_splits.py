"""What the desk keeps does not depend on how the bus cuts the stream into batches."""

import random
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from huiyin_contracts.event import Event
from huiyin_contracts.vocabulary import AttachReason, ClockState, Target
from huiyin_desk.app import SERVICE
from huiyin_desk.models import ticket, ticket_clock, ticket_feedback, timeline
from huiyin_eventbus.subscriptions import Received
from tests.desk.conftest import NOON, attached, routed, scheduled, scheduled_before, told_clock
from tests.support import splits

TABLES = (ticket, ticket_feedback, ticket_clock, timeline)


def stream_of(seed: int) -> list[Received[Any]]:
    """Return the events of some tickets: each topic's in their order, the topics mixed at random."""
    chance = random.Random(seed)
    topics: dict[tuple[str, str], list[Event]] = {}
    for number in range(8):
        for event in _ticket(f"t-{number}", chance):
            topics.setdefault((event.TYPE, event.key), []).append(event)
    order = [place for place, events in topics.items() for _ in events]
    chance.shuffle(order)
    return splits.received([topics[place].pop(0) for place in order])


def _ticket(ticket_id: str, chance: random.Random) -> list[Event]:
    told: list[Event] = [routed(ticket_id)]
    if chance.random() < 0.4:
        moved = {"department": "product", "priority": 3, "routed_at": NOON + timedelta(hours=1)}
        told.append(routed(ticket_id, routing=2, **moved))
    for target, due_hours in ((Target.RESPONSE, 24), (Target.RESOLUTION, 72)):
        due_at = NOON + timedelta(hours=due_hours)
        clock = told_clock(target, due_at)
        is_older = chance.random() < 0.5
        told.append((scheduled_before if is_older else scheduled)(clock, ticket_id=ticket_id))
        if chance.random() < 0.5:
            changed = chance.choice([ClockState.MET, ClockState.PAUSED, ClockState.CANCELLED])
            clock = told_clock(target, due_at + timedelta(hours=1), state=changed)
            told.append(scheduled(clock, ticket_id=ticket_id))
    if chance.random() < 0.5:
        reason = chance.choice([AttachReason.RESENT, AttachReason.FOLLOW_UP])
        told.append(attached(f"f-{ticket_id}", ticket_id=ticket_id, reason=reason))
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
