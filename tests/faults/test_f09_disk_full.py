"""F9: on a full disk nothing is acknowledged that is not stored, and room is all it takes to go on."""

from pathlib import Path

import pytest

from tests.faults.disk_faults import F9
from tests.faults.disks import why_not
from tests.faults.scenario import run
from tests.faults.stack import SQLITE


@pytest.mark.usefixtures("alone")
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
def test_a_full_disk_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    result = run(F9, SQLITE, seed=9, folder=tmp_path)

    assert result.ok, result.story()
