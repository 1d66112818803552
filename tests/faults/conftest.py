"""One running suite per stack for all short scenarios: each finds it as the one before has left it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.stack import POSTGRESQL, SQLITE, Stack, running
from tests.support.servers import ServerUnavailable, skip_or_fail

PLAY_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder more time than others: they wait for outages, on machines that may be busy."""
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PLAY_SECONDS))


class Suites:
    """Gives the suite of a stack; one on which a test has failed is thrown away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, tuple[Stack, ExitStack]] = {}
        self._made = 0

    def give(self, kind: str) -> Stack:
        """Return the running suite of a kind, a new one where there is none; one of another kind is ended."""
        if kind not in self._running:
            self.close()
            self._made += 1
            folder = self._folder / f"{kind}-{self._made}"
            folder.mkdir()
            owned = ExitStack()
            stack = owned.enter_context(running(folder, POSTGRESQL if kind == POSTGRESQL else SQLITE))
            self._running[kind] = stack, owned
        return self._running[kind][0]

    def throw_away(self, kind: str) -> None:
        """End the suite of a kind; the next test gets a new one."""
        _, owned = self._running.pop(kind)
        owned.close()

    def close(self) -> None:
        """End all."""
        for kind in list(self._running):
            self.throw_away(kind)


@pytest.fixture(scope="session")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suites]:
    """Give the suites that short scenarios share."""
    suites = Suites(tmp_path_factory.mktemp("faults"))
    yield suites
    suites.close()


@pytest.fixture(
    scope="session",
    params=[SQLITE, pytest.param(POSTGRESQL, marks=[pytest.mark.postgresql, pytest.mark.kafka])],
)
def kind(request: pytest.FixtureRequest) -> str:
    """Give the stack's name; of the session, so that all tests of one stack come together."""
    return str(request.param)


@pytest.fixture
def stack(request: pytest.FixtureRequest, suites: Suites, kind: str) -> Iterator[Stack]:
    """Give a running suite; a test that fails leaves none behind for the next one."""
    try:
        stack = suites.give(kind)
    except ServerUnavailable as missing:
        skip_or_fail(missing)
    failed = request.session.testsfailed
    yield stack
    if request.session.testsfailed > failed:
        suites.throw_away(kind)


@pytest.fixture
def alone(suites: Suites) -> None:
    """End the suites that tests share, for a test that starts its own."""
    suites.close()
