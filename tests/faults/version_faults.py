"""An upgrade under load: what an older version has left in the log, newer events among ours, services restarted in turn."""

import time
from typing import Final

from tests.faults.counter.log import read_log
from tests.faults.outboxes import NEWER, written_as_newer
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.snapshot import accepted_then, snapshot, undecided
from tests.faults.stack import SERVICES, Stack, eventually

OLDER: Final = "1.0"
_TAKEN_WITHIN_SECONDS: Final = 60


def _mixed_versions(stage: Stage) -> None:
    stack = stage.stack
    older = accepted_then(stack, snapshot(OLDER))
    time.sleep(stage.seconds / 3)
    upgraded = list(SERVICES)
    stage.dice.shuffle(upgraded)
    with written_as_newer(stack, upgraded[: len(upgraded) // 2]):
        time.sleep(stage.seconds / 3)
        for name in upgraded:
            code = stack.process_of(name).end()
            stage.expect("a service that is replaced exits with 0", holds=code == 0)
            stage.recovered(stack.process_of(name).start())
    with written_as_newer(stack, SERVICES):
        time.sleep(stage.seconds / 3)
    eventually(lambda: not any(undecided(stack, older)), within_seconds=_TAKEN_WITHIN_SECONDS)
    _judge_log(stage, stack)


def _judge_log(stage: Stage, stack: Stack) -> None:
    records = read_log(stack.bootstrap).records
    kept = {each.value.encode() for each in snapshot(OLDER)}
    # In a long run the log may hold poison of an earlier fault, which names nothing.
    versions = [record.named.get("ce_dataschema", "").rpartition("/")[2] for record in records]
    stage.figures["older_events"] = sum(record.value in kept for record in records)
    stage.figures["newer_events"] = versions.count(NEWER)
    stage.expect("older events are in the log as they were kept", holds=stage.figures["older_events"] > 0)
    stage.expect("newer events are in the log", holds=stage.figures["newer_events"] > 0)


F15 = Scenario(
    "F15",
    "a rolling upgrade with an older version's events and newer ones in the log",
    _mixed_versions,
    short=Terms(outage_seconds=9),
    long=(Terms(outage_seconds=180, rate=40, rest_seconds=600),),
)
