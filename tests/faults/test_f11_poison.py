"""F11: poison becomes dead letters, all of it and nothing else."""

from pathlib import Path

import pytest

from tests.faults.poison_faults import F11
from tests.faults.scenario import run
from tests.faults.stack import Stack


@pytest.mark.timeout(600)
def test_poison_is_put_aside_and_nothing_else(stack: Stack, tmp_path: Path) -> None:
    result = run(F11, stack.kind, seed=11, folder=tmp_path, stack=stack)

    assert result.ok, result.story()
    assert result.figures["dead"] > result.figures["poison"]
