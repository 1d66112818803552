"""Topics overtake each other: what one service tells comes late, and answers come after their breach."""

import time
from contextlib import ExitStack
from typing import Final

from tests.faults.counter.log import read_log
from tests.faults.outboxes import Held, held
from tests.faults.scenario import Scenario, Stage, Terms

ANSWERED_WITHIN_SECONDS: Final = 6
SOLVED_WITHIN_SECONDS: Final = 14
_GRACE_SECONDS: Final = 6
_SPANS: Final = f'{{"response": "PT{ANSWERED_WITHIN_SECONDS}S", "resolution": "PT{SOLVED_WITHIN_SECONDS}S"}}'
POLICIES: Final = f'{{"ordinary": {_SPANS}, "urgent": {_SPANS}, "complex": {_SPANS}}}'
_DELAYED: Final = (
    ("router", ("ticket.routed",)),
    ("router", ("feedback.classified", "feedback.attached")),
    ("desk", ("ticket.progressed",)),
    ("sla", ("sla.scheduled.v2",)),
    ("sla", ("sla.breached", "sla.retracted", "sla.warned")),
)


def _overtaken(stage: Stage) -> None:
    _answers_come_late(stage)
    _topics_overtake(stage)
    stage.load.finish()
    # Until the last deadline has passed: what is counted must not move meanwhile.
    time.sleep(SOLVED_WITHIN_SECONDS + _GRACE_SECONDS)
    retracted = len(read_log(stage.stack.bootstrap).events("sla.retracted"))
    stage.figures["retracted"] = retracted
    stage.expect("breaches of what was answered in time are taken back", holds=retracted > 0)


def _answers_come_late(stage: Stage) -> None:
    """Hold back the desk's steps for longer than a deadline, again and again."""
    end = time.monotonic() + stage.seconds / 2
    with held(stage.stack, "desk", "ticket.progressed") as steps:
        while time.monotonic() < end:
            time.sleep(ANSWERED_WITHIN_SECONDS + 2)
            steps.let_go()


def _topics_overtake(stage: Stage) -> None:
    """Hold back all topics, and let now this one and now that one go."""
    end = time.monotonic() + stage.seconds / 2
    with ExitStack() as stack:
        holding: list[Held] = []
        for number, (service, topics) in enumerate(_DELAYED):
            holding.append(stack.enter_context(held(stage.stack, service, *topics, name=f"held_{number}")))
        while time.monotonic() < end:
            time.sleep(stage.dice.uniform(0.1, 1.5))
            stage.dice.choice(holding).let_go()


F6 = Scenario(
    "F6",
    "topics overtake each other, events come late, answers after their breach",
    _overtaken,
    short=Terms(outage_seconds=36),
    long=(Terms(outage_seconds=600, rate=15, rest_seconds=1200),),
    settings={"HUIYIN_SLA_POLICIES": POLICIES},
)
