"""F5: every event is delivered one to five times, in shuffled batches, and relays publish everything twice."""

import time
from pathlib import Path

from tests.faults.outboxes import published_twice
from tests.faults.redelivery import copying
from tests.faults.scenario import Scenario, Stage, Terms, run
from tests.faults.stack import SERVICES, Stack


def play(stage: Stage) -> None:
    stack = stage.stack
    with (
        copying(stack.bootstrap, history=stack.history, dice=stage.dice) as copier,
        published_twice(stack, SERVICES),
    ):
        time.sleep(stage.terms.outage_seconds)
    stage.figures["copied"] = copier.copied
    stage.expect("events were delivered again", holds=copier.copied > 0)


F5 = Scenario(
    id="F5",
    title="each event delivered one to five times; relays publish everything twice",
    play=play,
    short=Terms(outage_seconds=6),
)


def test_repeated_deliveries_change_nothing(stack: Stack, tmp_path: Path) -> None:
    result = run(F5, stack.kind, seed=1, folder=tmp_path, stack=stack)

    assert result.ok, result.story()
    assert result.figures["republished"] > result.figures["copied"]
