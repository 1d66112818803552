"""F11: poison becomes dead letters, all of it and nothing else."""

import random
from pathlib import Path

import pytest

from tests.faults.poison import Poisoner
from tests.faults.poison_faults import F11, bury, dead
from tests.faults.redelivery import copying
from tests.faults.scenario import judge, run
from tests.faults.stack import Stack, eventually


@pytest.mark.timeout(600)
def test_poison_is_put_aside_and_nothing_else(stack: Stack, tmp_path: Path) -> None:
    result = run(F11, stack.kind, seed=11, folder=tmp_path, stack=stack)

    assert result.ok, result.story()
    assert result.figures["dead"] > result.figures["poison"]


def test_what_is_delivered_again_is_no_poison(stack: Stack) -> None:
    poisoner = Poisoner(stack.bootstrap, history=stack.history, dice=random.Random(11))
    before = dead(stack)
    poisoner.write("feedback.received", "a megabyte of nothing", partition=3)
    stack.passes_through()

    with copying(stack.bootstrap, history=stack.history, dice=random.Random(11)) as copier:
        eventually(lambda: copier.copied > 0)

    bury(stack, poisoner, before=before)
    stack.come_to_rest()
    assert judge(stack)[1] == {}
