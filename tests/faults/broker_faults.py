"""F2 and F3: the broker is away, dies again and again, or freezes."""

import time
from datetime import UTC, datetime

from tests.faults.history import ACCEPTED
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import eventually

_TAKEN_SHARE = 0.99
_BETWEEN_KILLS_SECONDS = 2.0


def _broker_down(stage: Stage) -> None:
    """Kill the broker for a while: intake takes everything meanwhile, and its backlog drains afterwards."""
    stack = stage.stack
    stack.kill_broker()
    began = datetime.now(UTC)
    time.sleep(stage.seconds)
    posts = [line for line in stage.answers_since(began) if line["expect"] == "accepted"]
    taken = sum(line["status"] == ACCEPTED for line in posts) / max(1, len(posts))
    stage.figures["taken_without_broker"] = len(posts)
    stage.expect("intake takes feedback without a broker", holds=bool(posts) and taken >= _TAKEN_SHARE)
    ((backlog, newest),) = stack.rows("intake", "SELECT count(*), max(seq) FROM outbox")
    stage.figures["backlog_events"] = int(backlog)
    stack.start_broker()
    stage.recovered(eventually(lambda: _left(stage, newest) == 0, within_seconds=stage.terms.rest_seconds))


def _left(stage: Stage, newest: int | str) -> int:
    """Return how many events up to a number the outbox of intake still holds."""
    return int(stage.stack.rows("intake", f"SELECT count(*) FROM outbox WHERE seq <= {newest}")[0][0])  # noqa: S608 - a number


def _broker_dies_and_freezes(stage: Stage) -> None:
    """Kill the broker five times in a row, then freeze it."""
    stack = stage.stack
    for _ in range(5 * stage.terms.rounds):
        stack.kill_broker()
        stack.start_broker()
        time.sleep(_BETWEEN_KILLS_SECONDS * stage.dice.random())
    stage.recovered(stack.passes_through())
    stack.pause_broker()
    time.sleep(stage.seconds)
    stack.resume_broker()
    stage.recovered(stack.passes_through())


F2 = Scenario(
    "F2",
    "the broker is down under load",
    _broker_down,
    long=(
        Terms(outage_seconds=60, rate=40, rest_seconds=600),
        Terms(outage_seconds=600, rate=40, rest_seconds=1800),
    ),
)
F3 = Scenario(
    "F3",
    "the broker is killed five times, then frozen",
    _broker_dies_and_freezes,
    short=Terms(outage_seconds=6),
    long=(Terms(outage_seconds=30, rate=40, rounds=2, rest_seconds=600),),
)
