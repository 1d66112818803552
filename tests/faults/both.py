"""A test on both stacks, under the marks of the servers it needs."""

import pytest

from tests.faults.stack import POSTGRESQL, SQLITE

ON_POSTGRESQL = pytest.param(POSTGRESQL, marks=[pytest.mark.postgresql, pytest.mark.kafka])
on_both = pytest.mark.parametrize("kind", [SQLITE, ON_POSTGRESQL])
