"""A burst that was not offered in full is laid at the door of whoever was too slow."""

import random
from typing import cast

import pytest

from tests.faults.burst_faults import judge_offer
from tests.faults.load import Load
from tests.faults.scenario import Stage, Terms
from tests.faults.stack import Stack


@pytest.mark.parametrize(
    ("per_second", "held_up", "keeps_promise", "is_played"),
    [
        (100, False, True, True),
        (100, True, True, True),
        (99, True, False, True),
        (99, False, True, False),
    ],
)
def test_only_a_suite_that_let_the_whole_crowd_wait_broke_a_promise(
    per_second: float, *, held_up: bool, keeps_promise: bool, is_played: bool
) -> None:
    stage = Stage(cast("Stack", None), cast("Load", None), Terms(rate=10), random.Random(1))

    judge_offer(stage, per_second=per_second, held_up=held_up)

    assert all(stage.expectations.values()) is keeps_promise
    assert (stage.not_played is None) is is_played
