"""An upgrade under load: events of older and of newer versions of the contracts among ours, services restarted in turn."""

import time

from tests.faults.counter.log import read_log
from tests.faults.outboxes import written_as_newer, written_as_older
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import SERVICES


def _mixed_versions(stage: Stage) -> None:
    stack = stage.stack
    with written_as_older(stack, SERVICES):
        time.sleep(stage.seconds / 3)
    upgraded = list(SERVICES)
    stage.dice.shuffle(upgraded)
    half = upgraded[: len(upgraded) // 2]
    with written_as_newer(stack, half), written_as_older(stack, set(upgraded) - set(half)):
        time.sleep(stage.seconds / 3)
        for name in upgraded:
            code = stack.process_of(name).end()
            stage.expect("a service that is replaced exits with 0", holds=code == 0)
            stage.recovered(stack.process_of(name).start())
    with written_as_newer(stack, SERVICES):
        time.sleep(stage.seconds / 3)
    versions = [
        record.named["ce_dataschema"].rpartition("/")[2] for record in read_log(stack.bootstrap).records
    ]
    stage.figures["newer_events"] = versions.count("1.9")
    stage.expect("events of both versions are in the log", holds={"1.0", "1.9"} <= set(versions))


F15 = Scenario(
    "F15",
    "a rolling upgrade with older and newer events in the log",
    _mixed_versions,
    short=Terms(outage_seconds=9),
    long=(Terms(outage_seconds=180, rate=40, rest_seconds=600),),
)
