"""The programs in examples/, run as they stand against a suite."""

import ast
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.simulator.processes import ADMIN_KEY, RunningSuite, started
from tests.support.servers import PROJECT

EXAMPLES = PROJECT / "examples"
LATE_PARCEL = "快递三天没动，包裹一直没送到，物流太慢了"


@pytest.fixture
def api(suite: RunningSuite) -> httpx2.Client:
    return httpx2.Client(base_url=suite.url, headers={"Authorization": f"Bearer {ADMIN_KEY}"}, timeout=30)


def environment(suite: RunningSuite) -> dict[str, str]:
    return {
        "HUIYIN_URL": suite.url,
        "HUIYIN_BOOTSTRAP": suite.bootstrap,
        "HUIYIN_KEY": ADMIN_KEY,
        "PYTHONUNBUFFERED": "1",
    }


def post_late_parcel(api: httpx2.Client, external_id: str) -> str:
    body = {
        "channel": "chat",
        "kind": "message",
        "external_id": external_id,
        "occurred_at": "2026-11-22T09:30:00+08:00",
        "text": LATE_PARCEL,
        "author": {"id": external_id},
    }
    answer = api.post("/v1/feedback", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def eventually(look: Callable[[], Any], *, within_seconds: float = 45) -> Any:
    """Return the first truthy thing seen; a department's system may take its time."""
    ends = time.monotonic() + within_seconds
    while not (found := look()):
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.2)
    return found


def status_of(api: httpx2.Client, ticket_id: str) -> str:
    answer = api.get(f"/v1/tickets/{ticket_id}")
    return str(answer.json()["status"]) if answer.status_code == 200 else ""


def test_a_departments_system_answers_the_tickets_of_its_own_topic(
    suite: RunningSuite, api: httpx2.Client, tmp_path: Path
) -> None:
    command = [sys.executable, str(EXAMPLES / "department.py"), "logistics"]
    with api, started(command, env=environment(suite), folder=tmp_path) as system:
        eventually(lambda: api.get("/v1/units/logistics").json()["stream"])
        # The router hears of the stream by an event; only tickets routed after that stand in the topic.
        tickets: list[str] = []

        def answered() -> list[str]:
            assert system.poll() is None, (tmp_path / "stderr.log").read_text()
            tickets.append(post_late_parcel(api, f"department-{len(tickets)}"))
            time.sleep(1)
            return [ticket_id for ticket_id in tickets if status_of(api, ticket_id) == "answered"]

        (ticket_id, *_) = eventually(answered)
        steps = [entry["kind"] for entry in api.get(f"/v1/tickets/{ticket_id}/timeline").json()["items"]]

    assert [step for step in steps if step in {"accepted", "answered"}] == ["accepted", "answered"]


def test_a_reader_on_librdkafka_shows_the_events_of_a_topic(suite: RunningSuite, api: httpx2.Client) -> None:
    with api:
        feedback_id = post_late_parcel(api, "reader-1")
        eventually(lambda: status_of(api, feedback_id))

    read = subprocess.run(
        [sys.executable, str(EXAMPLES / "reader.py"), "--from-beginning", "--count", "1", "ticket.routed"],
        env=environment(suite),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    place, headers, value = read.stdout.splitlines()
    assert place.startswith("ticket.routed[")
    assert "ce_type=ticket.routed" in headers.split()
    assert '"department"' in value


def test_a_reader_tells_a_topic_that_is_not_there(suite: RunningSuite) -> None:
    read = subprocess.run(
        [sys.executable, str(EXAMPLES / "reader.py"), "no.such.topic"],
        env=environment(suite),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert read.returncode == 1
    assert "no such topic: no.such.topic" in read.stderr


def test_the_departments_system_is_forty_lines_of_code() -> None:
    source = (EXAMPLES / "department.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    documented: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            docstring = node.body[0]
            documented |= set(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    code = [
        line
        for number, line in enumerate(source.splitlines(), start=1)
        if line.strip() and not line.strip().startswith("#") and number not in documented
    ]

    assert len(code) <= 40
