"""A running suite for the tests that need a whole one."""

from collections.abc import Iterator

import pytest

from tests.simulator.processes import RunningSuite, running_suite


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSuite]:
    """Give a suite that all tests share: each posts feedback of its own."""
    with running_suite(tmp_path_factory.mktemp("suite")) as running:
        yield running
