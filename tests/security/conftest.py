"""One running suite for all attacks, two departments with a ticket each, and keys to come with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import psutil
import pytest

from tests.support.suite import Customer, Suite, eventually, running_suite

MakeKey = Callable[..., str]


@dataclass(frozen=True)
class Department:
    """A department with a key of its own and one ticket."""

    slug: str
    key: str
    ticket_id: str


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Give the suite that is attacked, at its most talkative: whatever it logs, it must not log secrets."""
    with running_suite(tmp_path_factory.mktemp("attacked"), HUIYIN_LOG_LEVEL="debug") as suite:
        yield suite


@pytest.fixture(scope="session")
def client(suite: Suite) -> Iterator[httpx2.Client]:
    """Give the operator's client."""
    with suite.client() as client:
        yield client


@pytest.fixture(scope="session")
def make_key(client: httpx2.Client) -> MakeKey:
    """Give a way to make an API key; it works once every service has heard of it."""

    def make(role: str | None = None, *, departments: Sequence[str] = ("*",), **fields: Any) -> str:
        body = {"name": "of a test", "role": role, "departments": list(departments), **fields}
        made = client.post("/v1/api-keys", json=body)
        assert made.status_code == 201, made.text
        key: str = made.json()["key"]
        if "expires_at" not in fields:
            eventually(lambda: is_known_everywhere(client, key))
        return key

    return make


def is_known_everywhere(client: httpx2.Client, key: str) -> bool:
    """Tell whether no service answers 401 to a key."""
    return all(bearing(client, key, path).status_code != 401 for path in ONE_PATH_EACH)


ONE_PATH_EACH = (
    "/v1/units",
    "/v1/feedback",
    "/v1/classifications",
    "/v1/tickets",
    "/v1/clocks",
    "/v1/metrics",
)


def bearing(
    client: httpx2.Client, key: str, path: str, *, method: str = "GET", **request: Any
) -> httpx2.Response:
    """Send a request with this key instead of the client's own."""
    headers = {"Authorization": f"Bearer {key}", **request.pop("headers", {})}
    answer: httpx2.Response = client.request(method, path, headers=headers, **request)
    return answer


@pytest.fixture(scope="session")
def departments(client: httpx2.Client, make_key: MakeKey) -> tuple[Department, Department]:
    """Give two departments; each has a key that sees it alone, and a ticket."""
    alpha, beta = (_department(client, make_key, slug) for slug in ("alpha-care", "beta-care"))
    return alpha, beta


def _department(client: httpx2.Client, make_key: MakeKey, slug: str) -> Department:
    unit = {"slug": slug, "kind": "department", "names": {"en": slug}}
    assert client.post("/v1/units", json=unit).status_code == 201
    customer = Customer(client)
    feedback_id = customer.says("qwertz", author={"id": slug})
    found = customer.outcome(feedback_id)
    if found["outcome"] == "triage":
        decided = eventually(lambda: _decided(client, feedback_id, slug))
        assert decided.status_code == 200, decided.text
    ticket = customer.ticket(feedback_id)
    assert ticket["department"] == slug
    return Department(slug, make_key("department", departments=[slug]), feedback_id)


def _decided(client: httpx2.Client, feedback_id: str, slug: str) -> httpx2.Response | None:
    """Send a case in triage to a department, once the router knows that department."""
    answer = client.post(f"/v1/triage/{feedback_id}/decide", json={"department": slug})
    return None if answer.status_code == 422 else answer


@pytest.fixture(scope="session")
def server(suite: Suite) -> psutil.Process:
    """Give the attacked process, to look at its memory and files."""
    port = int(suite.url.rpartition(":")[2])
    children: list[psutil.Process] = psutil.Process().children(recursive=True)
    return next(child for child in children if port in _listening(child))


def _listening(process: psutil.Process) -> set[int]:
    return {each.laddr.port for each in process.net_connections() if each.status == psutil.CONN_LISTEN}


def resident_mib(process: psutil.Process) -> float:
    """Return the resident memory of a process in MiB."""
    return float(process.memory_info().rss) / 2**20
