"""The scenarios that happen to events, groups and clocks, by number."""

from typing import Final

from tests.faults.clock_faults import F10
from tests.faults.group_faults import F7
from tests.faults.order_faults import F6
from tests.faults.poison_faults import F11
from tests.faults.repeat_faults import F5
from tests.faults.restore_faults import F16
from tests.faults.scenario import Scenario
from tests.faults.slow_faults import F8
from tests.faults.version_faults import F15

EVENTS: Final[tuple[Scenario, ...]] = (F5, F6, F7, F8, F10, F11, F15, F16)
