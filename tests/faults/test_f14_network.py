"""F14: whatever the network did, nothing is stuck for longer than twice the session timeout."""

from pathlib import Path

from tests.faults.both import kafka_in_soak
from tests.faults.network_faults import F14
from tests.faults.scenario import run
from tests.faults.stack import Stack


@kafka_in_soak
def test_bad_networks_leave_nothing_stuck(stack: Stack, tmp_path: Path) -> None:
    result = run(F14, stack.kind, seed=14, folder=tmp_path, stack=stack)

    assert result.ok, result.story()
