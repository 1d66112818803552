"""A scenario: the suite under load, a fault, healing, rest, and the judgement of what is left.

`run` plays one on a stack of its own, or on one that is given and then goes on living: histories add up, and everything
that ever happened to the stack is judged again. The result is one JSON line, for the table in the guide.
"""

import json
import os
import random
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.counter import NOT_APPLICABLE, count
from tests.faults.figures import figures_of
from tests.faults.history import lines
from tests.faults.load import Load
from tests.faults.operators import Operators
from tests.faults.revision import revision
from tests.faults.stack import ADMIN_KEY, KINDS, Kind, Layout, Stack, running

RESULTS = "FAULT_RESULTS"
WRITTEN = "results.jsonl"
_MOST_VIOLATIONS = 20
_CALM_SECONDS = 1.5


@dataclass(frozen=True)
class Terms:
    """How hard a scenario is played: how long the outage, how many posts a second, how often the fault."""

    outage_seconds: float = 10
    rate: float = 20
    rounds: int = 1
    rest_seconds: float = 120


@dataclass
class Stage:
    """What a scenario plays on. `expect` records what it must see besides the invariants, `figures` what it measured.

    `not_played` is why the test itself fell short of the fault: such a run is no success, and no broken promise either.
    """

    stack: Stack
    load: Load
    terms: Terms
    dice: random.Random
    figures: dict[str, Any] = field(default_factory=dict)
    expectations: dict[str, bool] = field(default_factory=dict)
    not_played: str | None = None

    @property
    def seconds(self) -> float:
        """Return how long the outage is."""
        return self.terms.outage_seconds

    def answers_since(self, moment: datetime) -> list[dict[str, Any]]:
        """Return the history's lines of posts that were answered, or not, from a moment on."""
        posts = lines(self.stack.history.path, "post")
        return [line for line in posts if datetime.fromisoformat(line["at"]) >= moment]

    def expect(self, what: str, *, holds: bool) -> None:
        """Record that something holds or not; once false it stays so."""
        self.expectations[what] = holds and self.expectations.get(what, True)

    def recovered(self, seconds: float) -> None:
        """Record how long the system took to come back; of several times the longest counts."""
        self.figures["recovery_seconds"] = max(round(seconds, 2), self.figures.get("recovery_seconds", 0.0))


@dataclass(frozen=True)
class Scenario:
    """A fault by its number. `play(stage)` breaks and heals.

    `stopped_to_count` are services that rest while everything is judged: on a stack that has lived long, their clocks
    would tell of warnings between one count and the next.

    What follows is for a stack of its own: whether services run `apart`, their settings, and with `disk_megabytes` small
    disks under the log and the databases.
    """

    id: str
    title: str
    play: Callable[[Stage], None]
    short: Terms = Terms()
    long: tuple[Terms, ...] = (Terms(outage_seconds=60, rate=40, rest_seconds=600),)
    stacks: tuple[Kind, ...] = KINDS
    stopped_to_count: tuple[str, ...] = ()
    layout: Layout = "apart"
    settings: Mapping[str, str] = field(default_factory=dict)
    disk_megabytes: int | None = None


@dataclass(frozen=True)
class Result:
    """What became of one run.

    `commit` is the code it was played on, as `revision` tells it. `invariants` holds I1 to I10 and `verify`; None is not
    judged: nothing in this version could break it. `not_played` is why the fault was not played as its title says, None
    when it was.
    """

    scenario: str
    title: str
    stack: Kind
    seed: int
    terms: Terms
    commit: str | None
    began_at: str
    seconds: float
    invariants: dict[str, bool | None]
    violations: dict[str, list[str]]
    expectations: dict[str, bool]
    figures: dict[str, Any]
    not_played: str | None = None

    @property
    def ok(self) -> bool:
        """Return whether the fault was played and nothing was found wrong."""
        judged = [*self.invariants.values(), *self.expectations.values()]
        wrong = sum(self.figures[name] for name in ("lost", "doubled", "reordered"))
        return all(each is not False for each in judged) and not wrong and self.not_played is None

    def story(self) -> str:
        """Return the whole result as readable JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)


def run(
    scenario: Scenario,
    kind: Kind,
    *,
    seed: int,
    folder: Path,
    terms: Terms | None = None,
    stack: Stack | None = None,
) -> Result:
    """Play a scenario once and return its result, which is also appended to `FAULT_RESULTS/results.jsonl`.

    Without a stack one is started in the folder and removed afterwards. Raises AssertionError when the suite does not
    come back or to rest, ServerUnavailable where the machine lacks a server.
    """
    with ExitStack() as owned:
        if stack is None:
            own = running(
                folder,
                kind,
                layout=scenario.layout,
                settings=scenario.settings,
                disk_megabytes=scenario.disk_megabytes,
            )
            stack = owned.enter_context(own)
        result = _played(scenario, stack, seed=seed, terms=terms or scenario.short)
    keep(result, folder)
    return result


def _played(scenario: Scenario, stack: Stack, *, seed: int, terms: Terms) -> Result:
    commit, began_at, began = revision(), datetime.now(UTC), time.monotonic()
    stack.history.fault("scenario", id=scenario.id, seed=seed)
    load = Load(
        stack.address("intake"),
        key=ADMIN_KEY,
        history=stack.history,
        seed=seed,
        rate=terms.rate,
        numbers=stack.numbers,
    )
    stage = Stage(stack, load, terms, random.Random(seed))
    irregular = _irregularities(stack)
    operators = Operators(stack.address("desk"), key=ADMIN_KEY, history=stack.history, seed=seed)
    stage.load.start()
    operators.start()
    try:
        time.sleep(_CALM_SECONDS)
        scenario.play(stage)
        time.sleep(_CALM_SECONDS)
    finally:
        stage.load.finish()
        operators.finish()
    stage.figures["drain_seconds"] = round(stack.come_to_rest(within_seconds=terms.rest_seconds), 2)
    stage.expect("every post was answered in the end", holds=not stage.load.unanswered)
    stage.expect("no consumer saw a gap or a step back", holds=_irregularities(stack) == irregular)
    with stack.without(scenario.stopped_to_count, rest_seconds=terms.rest_seconds):
        invariants, violations = judge(stack)
        measured = figures_of(stack, since=began_at)
    return Result(
        scenario=scenario.id,
        title=scenario.title,
        stack=stack.kind,
        seed=seed,
        terms=terms,
        commit=commit,
        began_at=began_at.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - began, 1),
        invariants=invariants,
        violations=violations,
        expectations=stage.expectations,
        figures=measured | stage.figures,
        not_played=stage.not_played,
    )


def _irregularities(stack: Stack) -> int:
    """Return how often a consumer has logged that an event of a case was missing or overtaken."""
    logs = stack.folder.glob("*.err")
    return sum(log.read_bytes().count(b'"sequence_irregular"') for log in logs)


def judge(stack: Stack) -> tuple[dict[str, bool | None], dict[str, list[str]]]:
    """Return which invariants hold, by `huiyin verify` and by the independent counter, and what violates the others."""
    report = stack.verify()
    wrong = [check for check in report["checks"] if check["ok"] is False]
    told = [f"{check['name']}: {example}" for check in wrong for example in check["examples"][:5]]
    found = {"verify": told, **count(stack.history.path, stack.connections(), stack.bootstrap)}
    invariants: dict[str, bool | None] = {name: not violations for name, violations in found.items()}
    wrongs = {name: each[:_MOST_VIOLATIONS] for name, each in found.items() if each}
    return invariants | dict.fromkeys(NOT_APPLICABLE), wrongs


def keep(result: Result, folder: Path) -> None:
    """Append a result to `results.jsonl` in the folder that `FAULT_RESULTS` names, else in the given one."""
    results = Path(os.environ.get(RESULTS, folder))
    results.mkdir(parents=True, exist_ok=True)
    with (results / WRITTEN).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result) | {"ok": result.ok}, ensure_ascii=False) + "\n")
