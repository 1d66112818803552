"""F13: what was written by halves counts for nothing, and what was acknowledged is whole."""

from pathlib import Path

from tests.faults.both import kafka_in_soak
from tests.faults.scenario import run
from tests.faults.stack import Stack
from tests.faults.torn_faults import F13


@kafka_in_soak
def test_a_torn_transaction_or_log_costs_nothing_that_was_acknowledged(stack: Stack, tmp_path: Path) -> None:
    result = run(F13, stack.kind, seed=13, folder=tmp_path, stack=stack)

    assert result.ok, result.story()
