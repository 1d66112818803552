"""What must never be seen: keys, passwords and customers' words, in whatever the suite tells of itself."""

import re
import stat
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.security.conftest import MakeKey, bearing
from tests.support.suite import ADMIN_KEY, Customer, Suite

PHONE = "13912347391"
WORDS = "canarywords7391"
NAME = "Canaryname7391"
PASSWORD = "broker-password-canary-7391"
OPEN_DOORS = ("/livez", "/readyz", "/startupz", "/metrics", "/openapi.json", "/docs")
HTTP_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


@pytest.fixture(scope="module")
def told(suite: Suite, client: httpx2.Client, make_key: MakeKey) -> dict[str, str]:
    """Give all that the suite tells after canaries went through every door, rightly and wrongly, by where it stands."""
    customer = Customer(client)
    author = {"id": PHONE, "name": NAME, "phone": PHONE, "email": f"{WORDS}@example.com"}
    case = customer.says(f"{WORDS} 坏了，要退款", author=author, order_id=WORDS)
    customer.outcome(case)
    key = make_key("department", departments=[], name=NAME)
    wrong = [
        client.post("/v1/feedback", json={"channel": "web", "text": WORDS, "author": {"phone": [PHONE]}}),
        client.post("/v1/feedback", json={WORDS: PHONE}),
        client.post("/v1/feedback", content=f'{{"text": "{WORDS}", "a": {PHONE}'.encode()),
        client.post("/v1/feedback", json={"channel": "web", "kind": WORDS, "text": [NAME]}),
        client.post(f"/v1/tickets/{case}/answer", json={"text": {"inner": WORDS}}),
        client.post("/v1/people", json={"name": {"family": NAME}}),
        client.post("/v1/api-keys", json={"name": NAME, "role": WORDS}),
        bearing(client, key, "/v1/api-keys"),
        bearing(client, key, f"/v1/feedback/{case}"),
        bearing(client, key, "/v1/dead-letters"),
        bearing(client, key, "/v1/tickets"),
        bearing(client, f"{key}x", "/v1/tickets"),
    ]
    found = {f"answer {number}": each.text for number, each in enumerate(wrong)}
    found |= {path: httpx2.get(f"{suite.url}{path}").text for path in OPEN_DOORS}
    found |= {"dead letters": client.get("/v1/dead-letters").text, "keys": client.get("/v1/api-keys").text}
    found["log"] = suite.stderr
    found["key"] = key
    return found


@pytest.mark.parametrize("canary", [WORDS, PHONE])
def test_a_customers_words_are_told_nowhere(told: dict[str, str], canary: str) -> None:
    leaks = [where for where, text in told.items() if canary in text]

    # The name of an unknown member is where the error stands, and the sender's own.
    assert leaks in ([], ["answer 1"])


def test_a_name_is_told_only_where_it_was_asked_for(told: dict[str, str]) -> None:
    assert [where for where, text in told.items() if NAME in text] == ["keys"]


def test_a_key_is_told_once_and_never_again(told: dict[str, str], suite: Suite) -> None:
    secret = told["key"].rpartition("_")[2]

    assert [where for where, text in told.items() if secret in text] == ["key"]
    assert [where for where, text in told.items() if ADMIN_KEY in text] == []
    assert not any(secret.encode() in path.read_bytes() for path in files_of(suite))


def test_no_file_of_the_suite_holds_the_admin_key(suite: Suite) -> None:
    assert not any(ADMIN_KEY.encode() in path.read_bytes() for path in files_of(suite))


def test_no_answer_shows_how_it_came_to_be(told: dict[str, str]) -> None:
    signs = re.compile(
        r"Traceback|File \"|\.py\b|sqlalchemy|aiosqlite|SELECT |INSERT |site-packages", re.IGNORECASE
    )
    shown = {where: signs.search(text) for where, text in told.items() if where.startswith("answer")}

    assert not any(shown.values()), shown


def test_arguments_of_the_process_hold_no_secret(server: psutil.Process) -> None:
    arguments = " ".join(server.cmdline())

    assert ADMIN_KEY not in arguments
    assert "password" not in arguments.lower()


def test_what_the_suite_keeps_is_readable_by_its_owner_only(suite: Suite) -> None:
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in files_of(suite)}

    assert stat.S_IMODE(suite.data_dir.stat().st_mode) == 0o700
    assert len(modes) > 8
    assert {path.name: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def files_of(suite: Suite) -> list[Path]:
    """Return every file in the data folder."""
    return [path for path in suite.data_dir.rglob("*") if path.is_file()]


def test_a_password_in_a_wrong_setting_is_not_repeated(suite: Suite, tmp_path: Path) -> None:
    lone = Suite(
        tmp_path, HUIYIN_BROKER_PASSWORD=PASSWORD, HUIYIN_ADMIN_KEY="short-canary", HUIYIN_PORT="x7391"
    )

    refused = lone.command("up")

    assert refused.returncode != 0
    assert not any(secret in refused.stderr for secret in (PASSWORD, "short-canary", "x7391"))


def test_the_api_page_loads_nothing_from_elsewhere(suite: Suite) -> None:
    page = httpx2.get(f"{suite.url}/docs")
    links = re.findall(r"(?:src|href)=[\"']([^\"']+)", page.text)
    policy = page.headers["content-security-policy"]

    assert links
    assert all(link.startswith(("docs/assets/", "/docs", "#", "data:")) for link in links), links
    assert "default-src 'none'" in policy or "default-src 'self'" in policy
    assert "http" not in policy
    assert "unsafe-eval" not in policy


def test_doors_without_a_key_are_the_five_that_tell_nothing_of_anybody(
    suite: Suite, client: httpx2.Client
) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    asked = [(path, method) for path, verbs in paths.items() for method in verbs if method in HTTP_METHODS]

    let_in = [
        (method, path)
        for path, method in asked
        if httpx2.request(method, f"{suite.url}{path.replace('{', '').replace('}', '')}").status_code != 401
    ]

    assert len(asked) > 40
    assert let_in == []


def test_browsers_of_other_origins_get_nothing(client: httpx2.Client) -> None:
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}

    asked = client.options("/v1/feedback", headers=origin)
    got = client.get("/v1/units", headers=origin)

    for answer in (asked, got):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers
        assert "server" not in answer.headers
