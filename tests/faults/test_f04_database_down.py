"""F4: without its database a service refuses honestly, does nothing by halves, and needs no restart."""

from pathlib import Path

from tests.faults.database_faults import F4
from tests.faults.scenario import run
from tests.faults.stack import Stack


def test_a_database_that_goes_away_is_told_and_comes_back_without_a_restart(
    stack: Stack, tmp_path: Path
) -> None:
    result = run(F4, stack.kind, seed=4, folder=tmp_path, stack=stack)

    assert result.figures["refused"] > 0
    assert result.ok, result.story()
