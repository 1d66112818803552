"""Who gets in and what they see: keys, scopes, departments, fields that nobody may set."""

import ast
import inspect
import time
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from huiyin_chassis import keys
from huiyin_chassis.auth import ROLES
from tests.security.conftest import ONE_PATH_EACH, Department, MakeKey, bearing
from tests.support.suite import Suite, eventually, running_suite

Both = tuple[Department, Department]

TICKET_DOORS = [
    ("GET", "/v1/tickets/{id}", None),
    ("GET", "/v1/tickets/{id}/timeline", None),
    ("POST", "/v1/tickets/{id}/accept", None),
    ("POST", "/v1/tickets/{id}/answer", {"text": "mine now"}),
    ("POST", "/v1/tickets/{id}/assign", {"assignee": "me"}),
    ("POST", "/v1/tickets/{id}/return", {"reason": "not ours"}),
    ("POST", "/v1/tickets/{id}/resolve", {"summary": "done"}),
]
LIST_DOORS = ["/v1/tickets", "/v1/tickets?department={slug}", "/v1/clocks", "/v1/clocks?ticket_id={id}"]


@pytest.mark.parametrize(("method", "path", "body"), TICKET_DOORS)
def test_another_departments_ticket_is_not_there(
    client: httpx2.Client, departments: Both, method: str, path: str, body: dict[str, str] | None
) -> None:
    mine, theirs = departments

    foreign = bearing(client, mine.key, path.format(id=theirs.ticket_id), method=method, json=body)
    unknown = bearing(client, mine.key, path.format(id="no-such-ticket"), method=method, json=body)

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json()["type"] == unknown.json()["type"]
    assert foreign.json()["detail"].replace(theirs.ticket_id, "") == unknown.json()["detail"].replace(
        "no-such-ticket", ""
    )


def test_a_refused_verb_has_left_the_ticket_as_it_was(client: httpx2.Client, departments: Both) -> None:
    mine, theirs = departments
    before = client.get(f"/v1/tickets/{theirs.ticket_id}").json()

    merged = bearing(
        client,
        mine.key,
        f"/v1/tickets/{mine.ticket_id}/merge",
        method="POST",
        json={"into": theirs.ticket_id},
    )

    assert merged.status_code in (404, 422)
    assert client.get(f"/v1/tickets/{theirs.ticket_id}").json() == before


@pytest.mark.parametrize("path", LIST_DOORS)
def test_no_filter_lists_what_is_another_departments(
    client: httpx2.Client, departments: Both, path: str
) -> None:
    mine, theirs = departments

    answer = bearing(client, mine.key, path.format(slug=theirs.slug, id=theirs.ticket_id))

    assert answer.status_code == 200
    assert theirs.ticket_id not in answer.text
    assert theirs.slug not in answer.text


def test_figures_of_another_department_count_nothing(
    client: httpx2.Client, make_key: MakeKey, departments: Both
) -> None:
    mine, theirs = departments
    key = make_key(departments=[mine.slug], scopes=["analytics:read"])
    today = datetime.now(UTC).date()
    asked = {"from": f"{today - timedelta(days=2)}", "to": f"{today + timedelta(days=3)}"}
    asked["department"] = theirs.slug
    path = "/v1/metrics/tickets_routed/rows"
    eventually(lambda: client.get(path, params=asked).json()["items"])

    rows = bearing(client, key, path, params=asked)

    assert (rows.status_code, rows.json()["items"]) == (200, [])


POST = {"channel": "web", "kind": "message", "occurred_at": "2026-11-22T10:00:00Z", "text": "hello"}


@pytest.mark.parametrize("field", ["status", "sla", "department", "score", "id", "received_at", "__proto__"])
def test_a_field_that_is_not_the_callers_to_set_is_refused(client: httpx2.Client, field: str) -> None:
    answer = client.post("/v1/feedback", json=POST | {"external_id": f"mass-{field}", field: "x"})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": f"#/{field}", "detail": "Extra inputs are not permitted"}]
    stored = client.get("/v1/feedback", params={"external_id": f"mass-{field}"})
    assert stored.json()["items"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/units/alpha-care", {"revision": 99}),
        ("/v1/units/alpha-care", {"slug": "other"}),
        ("/v1/people/nobody", {"id": "x"}),
    ],
)
def test_a_patch_may_not_set_what_the_service_sets(
    client: httpx2.Client, path: str, body: dict[str, object]
) -> None:
    answer = client.patch(path, json=body)

    assert answer.status_code == 422
    assert "Extra inputs" in answer.text


ADMIN_DOORS = [
    ("GET", "/v1/api-keys"),
    ("POST", "/v1/api-keys"),
    ("POST", "/v1/units"),
    ("GET", "/v1/dead-letters"),
    ("POST", "/v1/dead-letters/desk-1/redrive"),
    ("POST", "/v1/dead-letters/desk-1/discard"),
    ("POST", "/v1/consumers/desk/resume"),
    ("PUT", "/v1/policies"),
    ("POST", "/v1/routing-rules"),
    ("POST", "/v1/triage/x/decide"),
    ("POST", "/v1/feedback"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN_DOORS)
def test_an_agent_is_stopped_at_every_door_that_is_not_its_own(
    client: httpx2.Client, departments: Both, method: str, path: str
) -> None:
    refused = bearing(client, departments[0].key, path, method=method)

    assert refused.status_code == 403
    assert refused.json()["scope"] not in ROLES["department"]


def test_no_role_but_admin_makes_keys(client: httpx2.Client, make_key: MakeKey) -> None:
    operator = make_key("operator")

    risen = bearing(client, operator, "/v1/api-keys", method="POST", json={"name": "me", "role": "admin"})

    assert risen.status_code == 403


@pytest.mark.parametrize(("method", "path"), [*ADMIN_DOORS, ("GET", "/v1/tickets"), ("GET", "/v1/units")])
def test_a_key_without_scopes_opens_nothing(
    client: httpx2.Client, make_key: MakeKey, method: str, path: str
) -> None:
    bare = _bare_key(make_key)

    assert bearing(client, bare, path, method=method).status_code == 403


_BARE: list[str] = []


def _bare_key(make_key: MakeKey) -> str:
    if not _BARE:
        _BARE.append(make_key())
    return _BARE[0]


def test_an_expired_key_is_no_key(client: httpx2.Client, make_key: MakeKey) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=8)).isoformat()
    key = make_key("analyst", expires_at=soon)
    eventually(lambda: bearing(client, key, "/v1/units").status_code == 200)

    eventually(lambda: bearing(client, key, "/v1/units").status_code == 401, within_seconds=30)


def test_a_revoked_key_ends_everywhere(client: httpx2.Client, make_key: MakeKey) -> None:
    key = make_key("analyst")
    items = client.get("/v1/api-keys", params={"limit": 200}).json()["items"]
    key_id = items[-1]["id"]

    assert client.post(f"/v1/api-keys/{key_id}/revoke").status_code == 200

    def is_over() -> bool:
        return all(bearing(client, key, path).status_code == 401 for path in ONE_PATH_EACH)

    assert eventually(is_over)


def test_a_key_of_another_installation_is_unknown(
    client: httpx2.Client, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other_admin = "admin-key-of-another-installation-00"
    with running_suite(tmp_path_factory.mktemp("other"), HUIYIN_ADMIN_KEY=other_admin) as other:
        with other.client(other_admin) as theirs:
            made = theirs.post("/v1/api-keys", json={"name": "b", "role": "admin"}).json()["key"]

        assert bearing(client, made, "/v1/units").status_code == 401
        assert bearing(client, other_admin, "/v1/units").status_code == 401


def test_every_wrong_key_gets_one_and_the_same_answer(client: httpx2.Client, suite: Suite) -> None:
    wrong = ["x", "huiyin_live_AAAAAAAA_" + "A" * 43, "0" * 600, "é", "'; DROP TABLE api_key; --"]

    told = [
        httpx2.get(f"{suite.url}/v1/units", headers={b"Authorization": f"Bearer {key}".encode()})
        for key in wrong
    ]

    told.append(httpx2.get(f"{suite.url}/v1/units"))
    told.append(httpx2.get(f"{suite.url}/v1/units", headers={"Authorization": "Basic YWRtaW46YWRtaW4="}))
    documents = [{**each.json(), "trace_id": ""} for each in told]
    assert {each.status_code for each in told} == {401}
    assert all(each == documents[0] for each in documents)
    assert {each.headers["www-authenticate"] for each in told} == {'Bearer realm="huiyin"'}


def test_a_stranger_learns_no_more_of_what_there_is_than_of_what_there_is_not(
    suite: Suite, departments: Both
) -> None:
    mine = departments[0]

    there = httpx2.get(f"{suite.url}/v1/tickets/{mine.ticket_id}")
    absent = httpx2.get(f"{suite.url}/v1/tickets/no-such-ticket")

    assert there.status_code == absent.status_code == 401
    assert there.json()["detail"] == absent.json()["detail"]


def test_keys_are_compared_by_digest_in_constant_time() -> None:
    """Structure, not a stopwatch: what is looked up is a digest of 256 bits, what decides is compare_digest."""
    source = inspect.getsource(keys.KeyRing)
    compared = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare) and {"digest", "sha256", "key"} & _names(node)
    ]

    # The database's own look-up of a digest tells a guesser nothing about the key that has it.
    assert compared == ["len(key) > _MAX_KEY_CHARS", "api_key.c.sha256 == digest"]
    assert source.count("hmac.compare_digest(") >= 2


def _names(node: ast.AST) -> set[str]:
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return names | {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}


def test_guessing_keys_costs_the_guesser_and_not_the_memory(client: httpx2.Client, suite: Suite) -> None:
    began = time.monotonic()

    with suite.client("guess") as stranger:
        found = {
            stranger.get("/v1/units", headers={"Authorization": f"Bearer {n}"}).status_code
            for n in range(300)
        }

    assert found == {401}
    assert time.monotonic() - began < 120
    assert client.get("/v1/units").status_code == 200
