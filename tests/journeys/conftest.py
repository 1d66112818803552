"""The suite under way: once on SQLite and the embedded broker, once on PostgreSQL and Apache Kafka."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from tests.support.postgresql import PostgreSQL
from tests.support.suite import Customer, Suite, running_suite


@pytest.fixture(
    scope="session",
    params=[
        "sqlite-embedded",
        pytest.param("postgresql-kafka", marks=[pytest.mark.postgresql, pytest.mark.kafka]),
    ],
)
def suite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Give the running suite; all journeys of a stack share it, so each makes its own customers."""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        settings = {}
        if request.param == "postgresql-kafka":
            server: PostgreSQL = request.getfixturevalue("postgresql_server")
            settings["HUIYIN_DATABASE_URL"] = stack.enter_context(server.databases())
            settings["HUIYIN_KAFKA_BOOTSTRAP"] = request.getfixturevalue("kafka_bootstrap")
        yield stack.enter_context(running_suite(folder, **settings))


@pytest.fixture
def client(suite: Suite) -> Iterator[httpx2.Client]:
    """Give the operator's client."""
    with suite.client() as client:
        yield client


@pytest.fixture
def customer(client: httpx2.Client) -> Customer:
    """Give a customer."""
    return Customer(client)


def clocks(client: httpx2.Client, ticket_id: str) -> dict[str, dict[str, Any]]:
    """Return the clocks of the newest cycle of a ticket, by target."""
    items = client.get("/v1/clocks", params={"ticket_id": ticket_id}).json()["items"]
    return {item["target"]: item for item in sorted(items, key=lambda item: item.get("cycle", 1))}


def do(client: httpx2.Client, ticket_id: str, verb: str, **body: Any) -> dict[str, Any]:
    """Do a verb to a ticket and return the ticket."""
    answer = client.post(f"/v1/tickets/{ticket_id}/{verb}", json=body or None)
    assert answer.status_code == 200, answer.text
    ticket: dict[str, Any] = answer.json()
    return ticket
