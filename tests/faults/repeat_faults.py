"""Every event is delivered one to five times, in shuffled batches, and relays publish everything twice."""

import time

from tests.faults.outboxes import published_twice
from tests.faults.redelivery import copying
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import SERVICES


def _repeat(stage: Stage) -> None:
    stack = stage.stack
    with (
        copying(stack.bootstrap, history=stack.history, dice=stage.dice) as copier,
        published_twice(stack, SERVICES),
    ):
        time.sleep(stage.seconds)
    stage.figures["copied"] = copier.copied
    stage.expect("events were delivered again", holds=copier.copied > 0)


F5 = Scenario(
    "F5",
    "each event is delivered one to five times, relays publish everything twice",
    _repeat,
    short=Terms(outage_seconds=6),
    long=(Terms(outage_seconds=300, rate=30, rest_seconds=1200),),
)
