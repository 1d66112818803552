"""The scenarios that break what the suite stands on, by number; stopping in order stands with the kills."""

from typing import Final

from tests.faults.broker_faults import F2, F3
from tests.faults.burst_faults import F12
from tests.faults.crash_faults import F1, F1_UP
from tests.faults.database_faults import F4
from tests.faults.disk_faults import F9
from tests.faults.network_faults import F14
from tests.faults.scenario import Scenario
from tests.faults.stopping_faults import STOP
from tests.faults.torn_faults import F13

INFRASTRUCTURE: Final[tuple[Scenario, ...]] = (F1, F1_UP, STOP, F2, F3, F4, F9, F12, F13, F14)
