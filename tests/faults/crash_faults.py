"""F1: processes killed at every labelled place, again and again, under load, and all in one at any moment.

A process that died at one place is started again armed with the next, so each start is a recovery and a way to the next
death.
"""

import signal
import time
from collections.abc import Mapping, Sequence
from typing import Final

from huiyin_failpoints import LABELS
from tests.faults.parked import kill_at_a_parked_event
from tests.faults.processes import READY_SECONDS, Process
from tests.faults.scenario import Scenario, Stage, Terms

RECOVERY_SECONDS: Final = 45
"""Of several processes that start side by side on a machine with other work; one alone is back in less than ten."""
# Where the services before it die too, events come seldom.
_DEATH_SECONDS: Final = 180
_MOST_TURNS: Final = 3
_DOORS: Final = ("database.before_commit", "database.after_commit", "jobs.before_run")
_WRITER: Final = ("writer.mid_group", "writer.after_commit")
_RELAY: Final = ("relay.before_produce", "relay.mid_batch", "relay.after_produce")
_CONSUMER: Final = (
    "consumer.fetched",
    "consumer.after_offsets",
    "consumer.mid_batch",
    "consumer.after_effects",
    "consumer.after_commit",
)
_BROKER: Final = tuple(label for label in LABELS if label.startswith("broker."))
OTHERWISE: Final = ("retries.after_effects", "migrate.mid_upgrade")
"""Places that load alone does not reach: a parked event's, which this scenario makes, and the migration's own test."""

ONCE: Final[Mapping[str, Sequence[str]]] = {
    "intake": (*_WRITER, *_RELAY),
    "router": _CONSUMER,
    "sla": ("consumer.after_effects", *_DOORS),
    "desk": ("relay.after_produce", "consumer.after_commit"),
    "analytics": ("consumer.mid_batch",),
}
"""Every place at least once, each where it matters most."""
EVERYWHERE: Final[Mapping[str, Sequence[str]]] = {
    "intake": (*_DOORS, *_WRITER, *_RELAY),
    "router": (*_DOORS, *_RELAY, *_CONSUMER),
    "sla": (*_DOORS, *_RELAY, *_CONSUMER),
    "desk": (*_DOORS, *_RELAY, *_CONSUMER),
    "analytics": (*_DOORS, *_CONSUMER),
}
"""Every place in every service that comes by it."""
BROKER_PLAN: Final[Mapping[str, Sequence[str]]] = {"broker": _BROKER}


class Deaths:
    """One process on its way through its places: `step` notices a death or a recovery, until it `is_over`."""

    def __init__(self, process: Process, places: Sequence[str], stage: Stage) -> None:
        self._process = process
        self._left = list(places)
        self._stage = stage
        self._began = 0.0
        self._was_ready = False
        self._armed: str | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether it died everywhere and runs again, unarmed."""
        return self._armed is None and self._was_ready

    def begin(self) -> None:
        """End the process in order and start it armed with its first place."""
        self._process.end()
        self._launch()

    def step(self) -> None:
        """Look at the process once; fails when it neither dies nor gets ready in time, or ends otherwise."""
        waited = time.monotonic() - self._began
        if not self._process.is_alive:
            self._notice_death()
        elif not self._was_ready and self._process.is_ready:
            self._was_ready = True
            self._stage.recovered(waited)
        elif not self._was_ready:
            assert waited < READY_SECONDS, f"{self._process.name} is not ready: {self._process.log}"
        else:
            assert waited < _DEATH_SECONDS, f"{self._process.name} never came by {self._armed}"

    def _notice_death(self) -> None:
        process = self._process
        assert process.exit_code == -signal.SIGKILL, f"{process.name}: {process.exit_code}: {process.log}"
        assert self._armed is not None, f"{process.name} was killed by nobody we know"
        self._stage.figures["deaths"] = self._stage.figures.get("deaths", 0) + 1
        self._launch()

    def _launch(self) -> None:
        self._armed = self._left.pop(0) if self._left else None
        turn = self._stage.dice.randint(1, _MOST_TURNS)
        self._was_ready, self._began = False, time.monotonic()
        self._process.launch(HUIYIN_FAILPOINTS=f"{self._armed}=kill@{turn}" if self._armed else "")


def die_side_by_side(stage: Stage, plan: Mapping[str, Sequence[str]]) -> None:
    """Let processes die at their places and return when all of them run again."""
    deaths = [Deaths(stage.stack.processes[name], places, stage) for name, places in plan.items()]
    for each in deaths:
        each.begin()
    while open_ones := [each for each in deaths if not each.is_over]:
        for each in open_ones:
            each.step()
        time.sleep(0.02)


def _killed_at_every_place(stage: Stage) -> None:
    """Kill the broker, then the services, at every place, and see that each comes back in time."""
    plan = ONCE if stage.terms.rounds == 1 else EVERYWHERE
    for _ in range(stage.terms.rounds):
        if "broker" in stage.stack.processes:
            die_side_by_side(stage, BROKER_PLAN)
        die_side_by_side(stage, plan)
    kill_at_a_parked_event(stage)
    stage.recovered(stage.stack.passes_through())
    _judge_recovery(stage)


def _killed_all_in_one(stage: Stage) -> None:
    """Kill the one process that is everything, at any moment."""
    suite = stage.stack.processes["up"]
    for _ in range(3 * stage.terms.rounds):
        time.sleep(3 * stage.dice.random())
        suite.kill()
        stage.recovered(suite.start())
    stage.recovered(stage.stack.passes_through())
    _judge_recovery(stage)


def _judge_recovery(stage: Stage) -> None:
    seconds = stage.figures["recovery_seconds"]
    stage.expect(f"back within {RECOVERY_SECONDS} s", holds=seconds <= RECOVERY_SECONDS)


F1 = Scenario(
    "F1",
    "every process is killed at every labelled place",
    _killed_at_every_place,
    long=(Terms(rounds=2, rate=40, rest_seconds=600),),
)
F1_UP = Scenario(
    "F1-up",
    "all services in one process, killed at any moment",
    _killed_all_in_one,
    long=(Terms(rounds=7, rate=40, rest_seconds=600),),
    layout="together",
)
