"""Bodies and numbers out of all proportion: refused quickly, and the memory does not remember them."""

import json
import time

import httpx2
import psutil
import pytest

from tests.security.conftest import resident_mib
from tests.support.suite import Suite

POST = {"channel": "web", "kind": "message", "occurred_at": "2026-11-22T10:00:00Z", "text": "hello"}
MIB = 2**20
JSON = {"Content-Type": "application/json"}

HUGE = {
    "10 MB of text": json.dumps(POST | {"external_id": "big", "text": "a" * (10 * MIB)}).encode(),
    "a million keys": b"{" + b",".join(b'"k%d":1' % n for n in range(1_000_000)) + b"}",
    "a thousand levels": b"[" * 1000 + b"]" * 1000,
    "levels inside a field": json.dumps(POST | {"external_id": "deep"}).encode()[:-1]
    + b',"extra":{"a":'
    + b"[" * 40
    + b"]" * 40
    + b"}}",
    "a long number": b'{"nps":' + b"9" * 100_000 + b"}",
    "an endless exponent": b'{"nps":1e' + b"9" * 100_000 + b"}",
    "a key again and again": b"{" + b",".join(b'"text":"a"' for _ in range(10_000)) + b"}",
}


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/units", "/v1/tickets/x/answer"])
@pytest.mark.parametrize("what", HUGE)
def test_a_body_out_of_proportion_is_refused(client: httpx2.Client, what: str, path: str) -> None:
    answer = client.post(path, content=HUGE[what], headers=JSON)

    assert answer.status_code in (400, 413, 422)
    assert len(answer.content) < 20_000
    assert answer.headers["content-type"] == "application/problem+json"


def test_refusing_huge_bodies_leaves_the_memory_flat(client: httpx2.Client, server: psutil.Process) -> None:
    body = HUGE["10 MB of text"]
    client.post("/v1/feedback", content=body, headers=JSON)
    before = resident_mib(server)

    for _ in range(30):
        assert client.post("/v1/feedback", content=body, headers=JSON).status_code == 413

    assert resident_mib(server) - before < 20


def test_a_batch_of_more_than_it_may_have_is_refused(client: httpx2.Client) -> None:
    item = POST | {"text": "a"}
    many = {"items": [item | {"external_id": f"n{n}"} for n in range(1001)]}
    large = b'{"items":[' + json.dumps(item | {"text": "a" * (9 * MIB)}).encode() + b"]}"

    assert client.post("/v1/feedback/batch", json=many).status_code == 422
    assert client.post("/v1/feedback/batch", content=large, headers=JSON).status_code == 413


@pytest.mark.parametrize("limit", ["1000000000", "-1", "0", "9" * 400, "1e9", "NaN", "201"])
@pytest.mark.parametrize(
    "path", ["/v1/tickets", "/v1/feedback", "/v1/units", "/v1/clocks", "/v1/dead-letters"]
)
def test_a_page_is_never_longer_than_two_hundred(client: httpx2.Client, path: str, limit: str) -> None:
    answer = client.get(path, params={"limit": limit})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "limit"


@pytest.mark.parametrize("cursor", ["x", "AAAA", "'; --", "eyJhIjoxfQ==", "A" * 8000, "%00", "é"])
@pytest.mark.parametrize("path", ["/v1/tickets", "/v1/feedback", "/v1/units", "/v1/clocks"])
def test_a_cursor_that_is_not_ours_is_refused(client: httpx2.Client, path: str, cursor: str) -> None:
    answer = client.get(path, params={"cursor": cursor})

    assert 400 <= answer.status_code < 500
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_compressed_body_is_not_unpacked(client: httpx2.Client, encoding: str) -> None:
    answer = client.post("/v1/feedback", content=b"x", headers=JSON | {"Content-Encoding": encoding})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/xml", "application/xml", "multipart/form-data; boundary=a", ""]
)
def test_a_body_of_another_kind_is_not_parsed(client: httpx2.Client, kind: str) -> None:
    content = json.dumps(POST | {"external_id": "kind"}).encode()

    answer = client.post("/v1/feedback", content=content, headers={"Content-Type": kind})

    assert answer.status_code == 415


def test_the_largest_text_allowed_is_answered_and_classified_in_bounded_time(
    client: httpx2.Client, suite: Suite
) -> None:
    """Rules are searched for, never backtracked: words that almost match, over and over, cost their length."""
    text = "退款退货投诉 a" * 8_000
    began = time.monotonic()

    accepted = client.post("/v1/feedback", json=POST | {"external_id": "long", "text": text})
    assert accepted.status_code == 202, accepted.text
    found = f"/v1/classifications/{accepted.json()['id']}"
    while client.get(found).status_code != 200 or client.get(found).json()["outcome"] == "pending":
        assert time.monotonic() - began < 90, suite.stderr[-2000:]
        time.sleep(0.05)
