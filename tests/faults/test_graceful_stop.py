"""A process that is asked to stop finishes what it has begun, and refuses the rest."""

from pathlib import Path

from tests.faults.both import kafka_in_soak
from tests.faults.history import lines
from tests.faults.scenario import Scenario, run
from tests.faults.stack import Stack
from tests.faults.stopping_faults import STOP


@kafka_in_soak
def test_every_process_stops_in_order_under_load(stack: Stack, tmp_path: Path) -> None:
    result = run(STOP, stack.kind, seed=19, folder=tmp_path, stack=stack)

    assert result.ok, result.story()


@kafka_in_soak
def test_a_service_may_rest_while_everything_is_judged(stack: Stack, tmp_path: Path) -> None:
    resting = Scenario("F0", "nothing happens", lambda _: None, stopped_to_count=("sla",))

    result = run(resting, stack.kind, seed=20, folder=tmp_path, stack=stack)

    told = [line["fact"] for line in lines(stack.history.path, "fault") if line.get("process") == "sla"]
    assert told[-3:] == ["sigterm", "ended", "started"]
    assert result.ok, result.story()
