"""A process that is asked to stop finishes what it has begun, and refuses the rest."""

from pathlib import Path

from tests.faults.both import kafka_in_soak
from tests.faults.scenario import run
from tests.faults.stack import Stack
from tests.faults.stopping_faults import STOP


@kafka_in_soak
def test_every_process_stops_in_order_under_load(stack: Stack, tmp_path: Path) -> None:
    result = run(STOP, stack.kind, seed=19, folder=tmp_path, stack=stack)

    assert result.ok, result.story()
