"""`Idempotency-Key` in wrong hands: another body, another principal, a hundred at once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx2

from tests.security.conftest import MakeKey, bearing
from tests.support.suite import Suite

POST = {"channel": "web", "kind": "message", "occurred_at": "2026-11-22T10:00:00Z", "text": "hello"}


def test_a_key_used_for_another_body_is_refused_and_stores_nothing(client: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "reused"}
    assert client.post("/v1/feedback", json=POST | {"external_id": "r1"}, headers=headers).status_code == 202

    other = client.post("/v1/feedback", json=POST | {"external_id": "r2"}, headers=headers)

    assert other.status_code == 422
    assert other.json()["type"].endswith("/idempotency-key-reused")
    assert client.get("/v1/feedback", params={"external_id": "r2"}).json()["items"] == []


def test_another_principals_key_is_another_key(client: httpx2.Client, make_key: MakeKey) -> None:
    headers = {"Idempotency-Key": "shared"}
    first = client.post("/v1/feedback", json=POST | {"external_id": "s1"}, headers=headers)

    stranger = bearing(
        client,
        make_key("adapter"),
        "/v1/feedback",
        method="POST",
        json=POST | {"external_id": "s2"},
        headers=headers,
    )

    assert (first.status_code, stranger.status_code) == (202, 202)
    assert stranger.json()["id"] != first.json()["id"]
    assert "idempotent-replayed" not in stranger.headers


def test_of_a_hundred_at_once_one_creates_and_the_others_learn_of_it(
    suite: Suite, client: httpx2.Client
) -> None:
    headers = {"Idempotency-Key": "hundred"}
    unit = {"slug": "made-once", "kind": "team", "names": {"en": "once"}}

    def make(_: int) -> int:
        with suite.client() as one:
            return int(one.post("/v1/units", json=unit, headers=headers).status_code)

    with ThreadPoolExecutor(20) as pool:
        told = Counter(pool.map(make, range(100)))

    assert set(told) <= {201, 409}
    assert told[201] >= 1
    units = client.get("/v1/units", params={"limit": 200}).json()["items"]
    assert [each["revision"] for each in units if each["slug"] == "made-once"] == [1]
