"""F12: ten times the load, also all from one customer, is taken or honestly refused, and drains."""

from pathlib import Path

from tests.faults.burst_faults import F12
from tests.faults.scenario import run
from tests.faults.stack import Stack


def test_a_burst_is_taken_or_refused_and_drains(stack: Stack, tmp_path: Path) -> None:
    result = run(F12, stack.kind, seed=12, folder=tmp_path, stack=stack)

    assert result.ok, result.story()
