"""F2 and F3: the broker is away, dies again and again, or freezes."""

import time
from datetime import UTC, datetime

from tests.faults.counter.log import read_log
from tests.faults.history import ACCEPTED
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import Stack, eventually, log_ends

_TAKEN_SHARE = 0.99
_BETWEEN_KILLS_SECONDS = 2.0
# Twice the session timeout of the consumer groups: a freeze that is longer than it costs them a rebalance.
_PASSING_SECONDS = 20.0


def _broker_down(stage: Stage) -> None:
    """Kill the broker for a while: intake takes everything meanwhile, and its backlog drains afterwards."""
    stack = stage.stack
    stack.kill_broker()
    began = datetime.now(UTC)
    time.sleep(stage.seconds)
    stage.figures["taken_without_broker"] = len(stage.answers_since(began))
    stage.expect("intake takes feedback without a broker", holds=_taken_share(stage, began) >= _TAKEN_SHARE)
    ((backlog, newest),) = stack.rows("intake", "SELECT count(*), max(seq) FROM outbox")
    stage.figures["backlog_events"] = int(backlog)
    stack.start_broker()
    stage.recovered(eventually(lambda: _left(stage, newest) == 0, within_seconds=stage.terms.rest_seconds))


def _left(stage: Stage, newest: int | str) -> int:
    """Return how many events up to a number the outbox of intake still holds."""
    return int(stage.stack.rows("intake", f"SELECT count(*) FROM outbox WHERE seq <= {newest}")[0][0])  # noqa: S608 - a number


def _broker_dies_and_freezes(stage: Stage) -> None:
    """Kill the broker five times in a row, then freeze it: it forgets nothing, and intake takes all.

    What stands twice in the log is counted and no breach: a relay that gave up on a send begins anew, and the inboxes
    take no event twice.
    """
    stack = stage.stack
    began, copies_before = datetime.now(UTC), _copies(stack)
    for _ in range(5 * stage.terms.rounds):
        _kill_and_compare(stage)
        time.sleep(_BETWEEN_KILLS_SECONDS * stage.dice.random())
    _judge_passage(stage, "the last kill")
    stack.pause_broker()
    time.sleep(stage.seconds)
    stack.resume_broker()
    _judge_passage(stage, "the freeze")
    stage.figures["taken_without_broker_share"] = round(_taken_share(stage, began), 4)
    stage.expect("intake takes feedback all the while", holds=_taken_share(stage, began) >= _TAKEN_SHARE)
    stage.figures["copies_in_the_log"] = _copies(stack) - copies_before


def _kill_and_compare(stage: Stage) -> None:
    """Kill the broker and start it again: what could be read before can be read afterwards."""
    before = log_ends(stage.stack.bootstrap)
    stage.stack.kill_broker()
    stage.stack.start_broker()
    after = log_ends(stage.stack.bootstrap)
    forgotten = [place for place, end in before.items() if after.get(place, 0) < end]
    stage.expect("a killed broker forgets nothing that could be read", holds=not forgotten)


def _judge_passage(stage: Stage, what: str) -> None:
    seconds = stage.stack.passes_through()
    stage.recovered(seconds)
    stage.expect(f"events pass within {_PASSING_SECONDS:g} s after {what}", holds=seconds <= _PASSING_SECONDS)


def _taken_share(stage: Stage, since: datetime) -> float:
    """Return which share of the posts that deserve to be taken was taken at the first try."""
    posts = [line for line in stage.answers_since(since) if line["expect"] == "accepted"]
    taken = [line for line in posts if line["status"] == ACCEPTED]
    return len(taken) / max(1, len(posts))


def _copies(stack: Stack) -> int:
    """Return how many records of the log are there again."""
    records = read_log(stack.bootstrap).records
    return len(records) - len({(record.topic, record.named.get("ce_id", record.place)) for record in records})


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
