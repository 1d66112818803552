"""The faults of events, groups and clocks that CI leaves to `make soak`: each in its short form on a suite of its own."""

from pathlib import Path

import pytest

from tests.faults.clock_faults import F10
from tests.faults.group_faults import F7
from tests.faults.order_faults import F6
from tests.faults.restore_faults import F16
from tests.faults.scenario import Scenario, run
from tests.faults.slow_faults import F8
from tests.faults.stack import Kind
from tests.faults.version_faults import F15
from tests.support.servers import ServerUnavailable, skip_or_fail


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", [F6, F7, F8, F10, F15, F16], ids=lambda scenario: scenario.id)
def test_what_happens_to_events_groups_and_clocks_breaks_no_invariant(
    scenario: Scenario, kind: Kind, tmp_path: Path
) -> None:
    try:
        result = run(scenario, kind, seed=1, folder=tmp_path)
    except ServerUnavailable as missing:
        skip_or_fail(missing)

    assert result.ok, result.story()
