"""F18: hours of load at five times the nominal rate, with a fault by chance every minute.

Played in stretches: after each the load rests and everything is judged, so that what goes wrong is known within the hour
in which it did.
"""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.faults.broker_faults import F2, F3
from tests.faults.database_faults import F4
from tests.faults.group_faults import F7
from tests.faults.network_faults import F14
from tests.faults.poison_faults import F11
from tests.faults.repeat_faults import F5
from tests.faults.scenario import Result, Scenario, Stage, Terms, run
from tests.faults.slow_faults import F8
from tests.faults.stack import Kind, running
from tests.faults.stopping_faults import STOP
from tests.faults.version_faults import F15
from tests.faults.vitals import Vitals, trends

NOMINAL_RATE: Final = 1.0
"""Posts a second: 86,400 feedbacks a day."""
BUSY: Final = 5 * NOMINAL_RATE
_CALM_SECONDS: Final = (15, 60)
_REST_SECONDS: Final = 900
_MOST_MEGABYTES_PER_HOUR: Final = 40
_MOST_FILES_PER_HOUR: Final = 10
_MOST_WAITING_PER_HOUR: Final = 100


def _kill_any(stage: Stage) -> None:
    """Kill a process at any moment, and start it again a moment later."""
    process = stage.dice.choice(list(stage.stack.processes.values()))
    process.kill()
    time.sleep(stage.dice.uniform(0, 3))
    stage.recovered(process.start())


KILL: Final = Scenario("F1-any", "a process is killed at any moment", _kill_any)
FAULTS: Final[Sequence[Scenario]] = (KILL, F2, F3, F4, F5, F7, F8, F11, F14, F15, STOP)


def endure(
    kind: Kind,
    *,
    seed: int,
    folder: Path,
    seconds: float,
    stretch_seconds: float = 1800,
) -> Iterator[Result]:
    """Play stretches until the time is over or one was broken, and give the result of each."""
    end = time.monotonic() + seconds
    with running(folder, kind) as stack:
        vitals = Vitals(stack)
        vitals.start()
        try:
            is_ok = True
            while is_ok and (left := end - time.monotonic()) > 0:
                terms = Terms(min(stretch_seconds, left), rate=BUSY, rest_seconds=_REST_SECONDS)
                result = run(F18, kind, seed=seed, folder=folder, terms=terms, stack=stack)
                yield result
                is_ok, seed = result.ok, seed + 1
        finally:
            vitals.finish()


def _random_faults(stage: Stage) -> None:
    end = time.monotonic() + stage.seconds
    played: list[str] = []
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(stage.dice.uniform(*_CALM_SECONDS), left))
        fault = stage.dice.choice([each for each in FAULTS if stage.stack.kind in each.stacks])
        with _as_itself(stage, fault) as own:
            fault.play(own)
        played.append(fault.id)
    stage.figures["faults"] = played
    _judge_vitals(stage)


@contextmanager
def _as_itself(stage: Stage, fault: Scenario) -> Iterator[Stage]:
    """Give a fault a stage of its own, on its short terms and at our rate, and take over what it has seen."""
    terms = replace(fault.short, rate=stage.terms.rate)
    own = Stage(stage.stack, stage.load, terms, random.Random(stage.dice.random()))
    yield own
    for what, holds in own.expectations.items():
        stage.expect(f"{fault.id}: {what}", holds=holds)
    if "recovery_seconds" in own.figures:
        stage.recovered(own.figures["recovery_seconds"])


def _judge_vitals(stage: Stage) -> None:
    grown = trends(stage.stack.folder / "vitals.jsonl")
    stage.figures |= grown
    stage.expect("memory does not grow", holds=grown.get("megabytes_per_hour", 0) < _MOST_MEGABYTES_PER_HOUR)
    stage.expect("open files do not grow", holds=grown.get("files_per_hour", 0) < _MOST_FILES_PER_HOUR)
    stage.expect("lag does not grow", holds=grown.get("waiting_per_hour", 0) < _MOST_WAITING_PER_HOUR)


F18 = Scenario(
    "F18",
    "hours at five times the nominal load with a fault by chance every minute",
    _random_faults,
    stopped_to_count=("sla",),
)
