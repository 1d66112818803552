"""What becomes of feedback does not depend on how the bus cuts the stream into batches."""

import random
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from huiyin_eventbus.subscriptions import Received
from huiyin_router.app import SERVICE
from huiyin_router.models import classification, routed_case
from tests.router.feedback import (
    BROKEN,
    DISPUTE,
    FOREIGN,
    LATE_DELIVERY,
    NOON,
    PRAISE,
    RUDE,
    feedback,
)
from tests.support import splits

TABLES = (classification, routed_case)
TEXTS = (BROKEN, DISPUTE, FOREIGN, LATE_DELIVERY, PRAISE, RUDE, f"{RUDE}？", "还有，汤也洒了。")


def stream_of(seed: int) -> list[Received[Any]]:
    """Return feedback of a few authors as it was said: some of it again, some soon after the last."""
    chance = random.Random(seed)
    at = NOON
    told = []
    for number in range(30):
        at += timedelta(minutes=chance.choice([1, 5, 30, 3000]), seconds=number)
        author = chance.choice(["u-1", "u-2", "u-3", None])
        said = feedback(chance.choice(TEXTS), author=author, at=at, feedback_id=f"f-{number:03}")
        told += [said] * chance.choice([1, 1, 1, 2])
    return splits.received(told)


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
