"""A test on both stacks, under the marks of the servers it needs."""

import pytest

from tests.faults.stack import POSTGRESQL, SQLITE

kafka_in_soak = pytest.mark.parametrize(
    "kind",
    [SQLITE, pytest.param(POSTGRESQL, marks=[pytest.mark.postgresql, pytest.mark.kafka, pytest.mark.soak])],
    indirect=True,
    scope="session",
)
"""For tests that take `stack`: in CI on the embedded one alone, as what they break is the suite's and not the servers'."""
