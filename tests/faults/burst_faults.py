"""F12: ten times the load for a while, then the same again from one customer, whose words all join one ticket."""

import time
from datetime import UTC, datetime
from typing import Any, Final

from tests.faults.figures import percentile
from tests.faults.history import ACCEPTED
from tests.faults.load import Load, feedback
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import ADMIN_KEY

_TIMES: Final = 10
# What a busy machine holds up is not made good, so a little more is aimed at.
_AIMED_TIMES: Final = 11
# So many can wait for an answer at once: an open load, which does not slow down when the suite does.
_THREADS: Final = 512
_HONEST: Final = {ACCEPTED, 422, 429, 503}


def _of_one_customer(seed: int, number: int) -> dict[str, Any]:
    said = {"channel": "wechat", "kind": "message", "author": {"id": f"hot-{seed}"}}
    return feedback(seed, number) | said


def _burst(stage: Stage) -> None:
    """Post ten times as much for half the outage, from everybody, then from one."""
    began = datetime.now(UTC)
    offered = []
    held_up = False
    for name, say in (("everybody", feedback), ("one_customer", _of_one_customer)):
        crowd = Load(
            stage.stack.address("intake"),
            key=ADMIN_KEY,
            history=stage.stack.history,
            seed=stage.load.seed,
            rate=stage.terms.rate * _AIMED_TIMES,
            numbers=stage.load.numbers,
            say=say,
            threads=_THREADS,
        )
        stage.stack.history.fault("burst", by=name)
        offered.append(_offered(crowd, seconds=stage.seconds / 2))
        held_up |= crowd.most_under_way >= _THREADS
        stage.expect("every post of the burst was answered", holds=not crowd.unanswered)
    stage.figures |= {"calm_per_second": stage.terms.rate, "burst_per_second": round(min(offered), 1)}
    judge_offer(stage, per_second=min(offered), held_up=held_up)
    _measure(stage, since=began)
    stage.recovered(stage.stack.come_to_rest(within_seconds=stage.terms.rest_seconds, waiting_below=200))


def judge_offer(stage: Stage, *, per_second: float, held_up: bool) -> None:
    """Record whose fault it is when less than ten times the calm load was offered.

    The suite's when it has `held_up` the whole crowd, each waiting for an answer; else it is the crowd that was too slow,
    as on a busy machine, and the burst was not played.
    """
    wanted = _TIMES * stage.terms.rate
    enough = per_second >= wanted
    stage.expect("the burst is not held up by posts that wait for an answer", holds=enough or not held_up)
    if not enough and not held_up:
        stage.not_played = f"the load offered {per_second:.0f} posts a second of {wanted:.0f}"


def _offered(crowd: Load, *, seconds: float) -> float:
    """Let a crowd post for so long, and return how many feedbacks a second it began, whatever became of them."""
    began = time.monotonic()
    crowd.start()
    time.sleep(seconds)
    begun, lasted = crowd.begun, time.monotonic() - began
    crowd.finish()
    return begun / lasted


def _measure(stage: Stage, *, since: datetime) -> None:
    posts = stage.answers_since(since)
    taken = sorted(line["seconds"] * 1000 for line in posts if line["status"] == ACCEPTED)
    shed = sum(line["status"] in {429, 503} for line in posts)
    stage.figures |= {
        "burst_posts": len(posts),
        "burst_accept_p50_ms": percentile(taken, 50),
        "burst_accept_p99_ms": percentile(taken, 99),
        "burst_shed_share": round(shed / max(1, len(posts)), 4),
    }
    stage.expect("posts are taken or honestly refused", holds={line["status"] for line in posts} <= _HONEST)


F12 = Scenario(
    "F12",
    "ten times the load, then one customer with all of it",
    _burst,
    short=Terms(outage_seconds=8, rate=10, rest_seconds=300),
    long=(Terms(outage_seconds=300, rate=20, rest_seconds=1800),),
)
