"""F5: what is delivered again and again changes nothing."""

from pathlib import Path

import pytest

from tests.faults.repeat_faults import F5
from tests.faults.scenario import run
from tests.faults.stack import Stack


@pytest.mark.timeout(600)
def test_repeated_deliveries_change_nothing(stack: Stack, tmp_path: Path) -> None:
    result = run(F5, stack.kind, seed=5, folder=tmp_path, stack=stack)

    assert result.ok, result.story()
    assert result.figures["republished"] > result.figures["copied"]
