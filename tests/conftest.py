"""The real servers as fixtures; `tests/support` starts them."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from structlog._config import BoundLoggerLazyProxy

from tests.support import kafka, postgresql
from tests.support.servers import ServerUnavailable, skip_or_fail

# A test that takes one of these gets the mark, so that `-m "not kafka"` needs no care by authors.
MARKED_BY_FIXTURE = {
    "postgresql_server": "postgresql",
    "postgresql_template": "postgresql",
    "postgresql_url": "postgresql",
    "kafka_bootstrap": "kafka",
    "java_tool": "java",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the servers they take."""
    if "soak" not in (items[0].config.option.markexpr if items else ""):
        _deselect_soak(items)
    for item in items:
        for fixture in set(getattr(item, "fixturenames", ())) & MARKED_BY_FIXTURE.keys():
            item.add_marker(MARKED_BY_FIXTURE[fixture])


def _deselect_soak(items: list[pytest.Item]) -> None:
    """Leave out the long runs: they are asked for with `-m soak`."""
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        items[0].config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


@pytest.fixture(autouse=True)
def _umask_as_it_was() -> Iterator[None]:
    """Put back what a command in this process sets for its data folder: a later test's server has another account."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def _loggers_as_imported() -> Iterator[None]:
    """Let each test find logging as it is before anybody configures it.

    A logger that was first used under `configure_logging` keeps that configuration for good (it is cached for speed),
    so that `capture_logs` in a later test would wait in vain for its lines.
    """
    structlog.reset_defaults()
    for name, module in list(sys.modules.items()):
        if name.startswith("huiyin_") and isinstance(vars(module).get("log"), BoundLoggerLazyProxy):
            vars(module)["log"].__dict__.pop("bind", None)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.PostgreSQL]:
    """Start a PostgreSQL, for tests that need more than one database or its superuser."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgresql.PostgreSQL())
        except ServerUnavailable as missing:
            skip_or_fail(missing)
        yield server


@pytest.fixture
def postgresql_url(postgresql_server: postgresql.PostgreSQL) -> Iterator[str]:
    """Give the URL of an empty PostgreSQL database of this test's own."""
    with postgresql_server.database() as url:
        yield url


@pytest.fixture
def postgresql_template(postgresql_server: postgresql.PostgreSQL) -> Iterator[str]:
    """Give a value for HUIYIN_DATABASE_URL: `{service}` in it, no database made yet, those made later are dropped."""
    with postgresql_server.databases() as template:
        yield template


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of an empty database of this test's own; the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """Start Apache Kafka and give its address; the session shares it, so topics and groups need names of their own."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(kafka.Kafka())
        except ServerUnavailable as missing:
            skip_or_fail(missing)
        yield server.bootstrap


@pytest.fixture(scope="session")
def java_tool() -> kafka.JavaTool:
    """Give Kafka's own command-line tools, to be used against any broker."""
    try:
        kafka.java()
        kafka.kafka_jars()
    except ServerUnavailable as missing:
        skip_or_fail(missing)
    return kafka.java_tool
