"""Texts that mean something to a database, a terminal or a log: here they are texts."""

import json
import re

import httpx2
import pytest

from tests.security.conftest import Department
from tests.support.suite import Suite, eventually

POST = {"channel": "web", "kind": "message", "occurred_at": "2026-11-22T10:00:00Z", "text": "hello"}
JSON = {"Content-Type": "application/json"}
HOSTILE = [
    "' OR '1'='1",
    "'; DROP TABLE ticket; --",
    '" OR 1=1 --',
    "%",
    "_%",
    "a%' ESCAPE '%",
    "\\",
    "$$; SELECT pg_sleep(5); $$",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "../../etc/passwd",
    "\u202eevil",
]
LISTS = [
    ("/v1/tickets", "department"),
    ("/v1/tickets", "assignee"),
    ("/v1/tickets", "store"),
    ("/v1/feedback", "channel"),
    ("/v1/feedback", "external_id"),
    ("/v1/feedback", "account"),
    ("/v1/clocks", "ticket_id"),
    ("/v1/people", "unit"),
    ("/v1/classifications", "outcome"),
    ("/v1/dead-letters", "topic"),
]


@pytest.mark.parametrize(("path", "parameter"), LISTS)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_filter_is_compared_and_never_executed(
    client: httpx2.Client, departments: tuple[Department, Department], path: str, parameter: str, text: str
) -> None:
    answer = client.get(path, params={parameter: text})

    assert answer.status_code in (200, 422), answer.text
    assert answer.json().get("items", []) == []


@pytest.mark.parametrize(
    "path", ["/v1/tickets/{}", "/v1/feedback/{}", "/v1/units/{}", "/v1/classifications/{}"]
)
@pytest.mark.parametrize("text", HOSTILE)
def test_an_id_is_compared_and_never_executed(client: httpx2.Client, path: str, text: str) -> None:
    answer = client.get(path.format(text.replace("/", "%2F").replace("%", "%25")))

    assert answer.status_code == 404


@pytest.mark.parametrize(
    "query", ["sort=name", "order_by=1;DROP TABLE ticket", "order=desc", "fields=*", "limit=1&debug=1"]
)
def test_nobody_orders_or_selects_by_a_name_that_they_send(client: httpx2.Client, query: str) -> None:
    answer = client.get(f"/v1/tickets?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] in query


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_stored_and_told_as_it_was_written(client: httpx2.Client, text: str) -> None:
    post = POST | {"external_id": f"said {text}", "text": text, "author": {"id": text, "name": text}}

    accepted = client.post("/v1/feedback", json=post)

    assert accepted.status_code == 202, accepted.text
    stored = client.get(f"/v1/feedback/{accepted.json()['id']}").json()
    assert (stored["text"], stored["author"]["name"], stored["external_id"]) == (text, text, f"said {text}")
    assert client.get("/v1/tickets").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        rb'{"channel":"web","kind":"message","external_id":"n1","occurred_at":"2026-11-22T10:00:00Z","text":"a\u0000b"}',
        b'{"channel":"web","kind":"message","external_id":"n2","occurred_at":"2026-11-22T10:00:00Z","text":"a\x00b"}',
        rb'{"channel":"web","kind":"message","external_id":"n3","occurred_at":"2026-11-22T10:00:00Z","text":"\ud800"}',
        rb'{"channel":"web","kind":"message","external_id":"n4","occurred_at":"2026-11-22T10:00:00Z","text":"\udc00\ud800"}',
        b'{"channel":"web","kind":"message","external_id":"n5","occurred_at":"2026-11-22T10:00:00Z","text":"\xff"}',
        b'{"channel":"web","kind":"message","external_id":"n6","occurred_at":"2026-11-22T10:00:00Z","text":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"channel":"web","kind":"message","external_id":"n7","occurred_at":"2026-11-22T10:00:00Z","text":"a"}',
        b'{"channel":"web","kind":"message","external_id":"n8","occurred_at":"2026-11-22T10:00:00Z","text":NaN}',
        rb'{"channel":"web","kind":"message","external_id":"n9","occurred_at":"2026-11-22T10:00:00Z","text":"a","extra":{"\u0000":1}}',
    ],
)
def test_what_no_database_can_hold_is_refused(client: httpx2.Client, body: bytes) -> None:
    answer = client.post("/v1/feedback", content=body, headers=JSON)

    assert answer.status_code in (400, 422), answer.text
    found = re.search(rb'"external_id":"(n\d)"', body)
    assert found is not None
    listed = client.get("/v1/feedback", params={"external_id": found[1].decode()})
    assert listed.json()["items"] == []


@pytest.mark.parametrize(
    "path", ["/v1/tickets/a%00b", "/v1/tickets?store=a%00b", "/v1/feedback?external_id=%00"]
)
def test_an_address_with_a_nul_is_refused(client: httpx2.Client, path: str) -> None:
    assert client.get(path).status_code == 400


@pytest.mark.parametrize("path", ["/v1/tickets/%ff%fe", "/v1/tickets?store=%ed%a0%80", "/v1/feedback/%c3%28"])
def test_an_address_that_is_no_text_finds_nothing(client: httpx2.Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code in (200, 400, 404, 422)
    assert answer.json().get("items", []) == []


FORGED = '\r\n{"event": "admin_logged_in", "level": "info"}\r\n\x1b[2J\x1b[31mowned\x07\x08\u2028\x85'


def test_a_forged_line_stays_inside_the_line_that_tells_of_it(suite: Suite, client: httpx2.Client) -> None:
    """Whoever can have a text logged: here the name of a unit, a conflict of posts, and addresses."""
    post = POST | {"external_id": FORGED, "author": {"id": FORGED, "name": FORGED}}
    client.post("/v1/feedback", json=post)
    client.post("/v1/feedback", json=post | {"text": "other"})
    client.post("/v1/people", json={"name": FORGED, "unit": FORGED})
    client.get("/v1/tickets/" + "%0d%0a%1b[31m", headers={"User-Agent": "a\tb", "X-Forwarded-For": "1.1.1.1"})
    client.get("/v1/dead-letters/" + "%0d%0adesk-1")
    eventually(lambda: "feedback_conflict" in suite.stderr)

    lines = suite.stderr.splitlines()
    raw = (suite.folder / "stderr.log").read_bytes()

    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert not any(json.loads(line)["event"] == "admin_logged_in" for line in lines)
    assert not set(raw) & (set(range(32)) - {0x0A})
    assert "\u2028".encode() not in raw
