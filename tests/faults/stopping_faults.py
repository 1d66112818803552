"""Graceful stops under load: every service, then the broker, is asked to end and started again."""

import time
from collections import Counter
from datetime import UTC, datetime

from tests.faults.history import ACCEPTED
from tests.faults.scenario import Scenario, Stage, Terms

_AWAY_SECONDS = 0.5
_HONEST = {"503", "ConnectionRefusedError"}
# A request on its way to a connection that the server has just closed for good: no answer, nothing done by halves.
_CROSSED = {"RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"}


def _stopped_in_order(stage: Stage) -> None:
    """End each process of the suite in order, leave it away for a moment, and start it again."""
    stack = stage.stack
    for _ in range(stage.terms.rounds):
        for process in stack.processes.values():
            began = datetime.now(UTC)
            code = process.end()
            stage.expect("every process exits with 0", holds=code == 0)
            _judge_answers(stage, since=began)
            time.sleep(_AWAY_SECONDS)
            stage.recovered(process.start())
    stage.recovered(stack.passes_through())


def _judge_answers(stage: Stage, *, since: datetime) -> None:
    failed = [line for line in stage.answers_since(since) if line["status"] not in {ACCEPTED, 422}]
    reasons = Counter(str(line["status"] or line["error"]) for line in failed)
    known = _HONEST | _CROSSED
    stage.expect("what is not taken is refused, not broken", holds=reasons.keys() <= known)
    crossed = sum(count for reason, count in reasons.items() if reason in _CROSSED)
    stage.figures["crossed_a_stop"] = stage.figures.get("crossed_a_stop", 0) + crossed


STOP = Scenario(
    "F1-stop",
    "every process is stopped in order under load",
    _stopped_in_order,
    long=(Terms(rounds=10, rate=40, rest_seconds=600),),
)
