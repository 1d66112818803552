"""F2 and F3: a broker that is away, dies or freezes costs nothing."""

from pathlib import Path

from tests.faults.both import kafka_in_soak
from tests.faults.broker_faults import F2, F3
from tests.faults.scenario import run
from tests.faults.stack import Stack


def test_without_a_broker_intake_takes_feedback_and_the_backlog_drains_in_order(
    stack: Stack, tmp_path: Path
) -> None:
    result = run(F2, stack.kind, seed=2, folder=tmp_path, stack=stack)

    assert result.ok, result.story()


@kafka_in_soak
def test_a_broker_that_dies_and_freezes_loses_and_doubles_nothing(stack: Stack, tmp_path: Path) -> None:
    result = run(F3, stack.kind, seed=3, folder=tmp_path, stack=stack)

    assert result.ok, result.story()
