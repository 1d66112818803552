"""What analytics keeps does not depend on how the bus cuts the stream into batches."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from huiyin_analytics.app import SERVICE
from huiyin_analytics.models import case_day, case_ledger, rollup
from huiyin_eventbus.subscriptions import Received
from tests.analytics.stories import many_stories
from tests.support import splits

TABLES = (case_ledger, case_day, rollup)


def stream_of(seed: int) -> list[Received[Any]]:
    """Return the events of some cases, each case's in their order, those of different cases mixed."""
    left = [story.events for story in many_stories(8, seed=seed)]
    chance = random.Random(seed)
    mixed = []
    while left:
        events = chance.choice(left)
        mixed.append(events[0])
        left = [each[1:] if each is events else each for each in left]
        left = [each for each in left if each]
    return splits.received(mixed)


def without_empty(stored: splits.Stored) -> splits.Stored:
    """Return what is stored without cells that hold nothing: one that came and went may stay behind."""
    return {**stored, "rollup": [row for row in stored["rollup"] if row[-2:] != (0, 0)]}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), data=st.data())
def test_any_cut_of_a_stream_gives_the_same_tables(seed: int, data: st.DataObject) -> None:
    stream = stream_of(seed)
    places = data.draw(splits.cuts(len(stream)))

    cut, whole = splits.cut_and_whole(SERVICE, stream, places, tables=TABLES)

    assert without_empty(cut) == without_empty(whole)


def test_event_by_event_gives_the_same_tables() -> None:
    stream = stream_of(seed=3)

    one_by_one, whole = splits.cut_and_whole(SERVICE, stream, range(1, len(stream)), tables=TABLES)

    assert without_empty(one_by_one) == without_empty(whole)
