"""Requests on which two servers could disagree: each is refused whole, and nothing of it is taken for a second one."""

import json

import httpx2
import pytest

from tests.security.wire import answers, knock, only_answer
from tests.support.suite import ADMIN_KEY, Suite

KEY = f"Authorization: Bearer {ADMIN_KEY}\r\n".encode()
POST = b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + KEY
SMUGGLED = b"GET /v1/api-keys HTTP/1.1\r\nHost: x\r\n" + KEY + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def feedback(external_id: str) -> bytes:
    """Return a valid body."""
    post = {"channel": "web", "kind": "message", "occurred_at": "2026-11-22T10:00:00Z", "text": "hello"}
    return json.dumps(post | {"external_id": external_id}).encode()


def chunk(body: bytes, extension: bytes = b"") -> bytes:
    """Return a body as one chunk."""
    return b"%x%s\r\n%s\r\n" % (len(body), extension, body)


@pytest.mark.parametrize(
    ("framing", "status"),
    [
        (b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 400),
        (CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", 400),
        (b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        (b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
        (b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
        (b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", 400),
        (b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", 400),
        (b"Content-Length: 5, 5\r\n\r\nabcde", 400),
        (b"Content-Length: +5\r\n\r\nabcde", 400),
        (b"Content-Length: -1\r\n\r\n", 400),
        (b"Content-Length: 0x5\r\n\r\nabcde", 400),
        (b"Content-Length: 99999999999999999999\r\n\r\nabcde", 400),
        (CHUNKED + b"\r\nzz\r\nabcde\r\n0\r\n\r\n", 400),
        (CHUNKED + b"\r\n5\nabcde\n0\n\n", 400),
        (CHUNKED + b"\r\nffffffffffffffffff\r\nabcde\r\n0\r\n\r\n", 400),
        (CHUNKED + b"\r\n-5\r\nabcde\r\n0\r\n\r\n", 400),
        (b"X-Folded: a\r\n b\r\n\r\n", 400),
        (b"X-Cr: a\rb\r\n\r\n", 400),
        (b"X-Nul: a\x00b\r\n\r\n", 400),
        (b"X\x01Y: a\r\n\r\n", 400),
        (b"X Y: a\r\n\r\n", 400),
        (b": a\r\n\r\n", 400),
        (b"Host: y\r\n\r\n", 400),
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_refused_and_the_connection_ends(
    suite: Suite, framing: bytes, status: int
) -> None:
    answer = only_answer(knock(suite, POST + framing + SMUGGLED))

    assert answer.problem["status"] == status
    assert answer.is_last


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"BREW /v1/units HTTP/1.1\r\nHost: x\r\n", 501),
        (b"GET /v1/units HTTP/1.1\nHost: x\n", 400),
        (b"GET /v1/units HTTP/1.1\r\n", 400),
        (b"GET /v1/units\r\n", 505),
        (b"GET /v1/units HTTP/3.0\r\nHost: x\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n", 400),
        ("GET /v1/units/é HTTP/1.1\r\nHost: x\r\n".encode(), 400),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
def test_what_is_no_request_of_ours_is_a_problem_document(suite: Suite, line: bytes, status: int) -> None:
    answer = only_answer(knock(suite, line + b"\r\n"))

    assert answer.problem["status"] == status
    assert answer.is_last


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "PURGE"])
def test_a_method_that_no_resource_knows_is_refused_and_echoes_nothing(
    client: httpx2.Client, method: str
) -> None:
    answer = client.request(method, "/v1/units", headers={"X-Secret": "canary"})

    assert answer.status_code == 405
    assert answer.json()["status"] == 405
    assert "canary" not in answer.text


def test_two_requests_in_one_piece_are_answered_in_order(suite: Suite) -> None:
    head = b" HTTP/1.1\r\nHost: x\r\n"

    found = answers(
        knock(
            suite,
            b"GET /livez"
            + head
            + b"\r\nGET /startupz"
            + head
            + b"\r\nGET /none"
            + head
            + b"Connection: close\r\n\r\n",
        )
    )

    assert [each.status for each in found] == [200, 200, 404]
    assert b"alive" in found[0].body
    assert b"started" in found[1].body


def test_chunk_extensions_and_trailers_carry_nothing_in(suite: Suite, client: httpx2.Client) -> None:
    body = (
        chunk(feedback("chunked"), b";admin=true") + b"0\r\nAuthorization: Bearer x\r\nX-Role: admin\r\n\r\n"
    )

    [first, _] = answers(
        knock(
            suite,
            POST + CHUNKED + b"\r\n" + body,
            b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        )
    )

    assert first.status == 202
    assert len(client.get("/v1/feedback", params={"external_id": "chunked"}).json()["items"]) == 1


def test_an_address_in_absolute_form_reaches_only_our_own_resources(suite: Suite) -> None:
    received = knock(suite, b"GET http://evil.example/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    answer = only_answer(received)
    assert (answer.status, answer.body) == (200, b'{"alive":true}')


def test_who_asks_before_sending_is_told_at_once(suite: Suite) -> None:
    expecting = POST + b"Expect: 100-continue\r\n"

    refused = only_answer(knock(suite, expecting + b"Content-Length: 300000000\r\n\r\n"))
    stranger = expecting.replace(ADMIN_KEY.encode(), b"wrong") + b"Content-Length: 100\r\n\r\n"
    unknown = only_answer(knock(suite, stranger))

    assert refused.problem["status"] == 413
    assert unknown.problem["status"] == 401


def test_an_old_client_gets_its_answer_and_the_end_of_the_connection(suite: Suite) -> None:
    answer = only_answer(knock(suite, b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"))

    assert answer.status == 200
    assert answer.is_last


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_an_upgrade_is_not_taken_and_what_follows_it_is_not_read(suite: Suite, protocol: bytes) -> None:
    head = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n"

    answer = only_answer(knock(suite, head + SMUGGLED))

    assert (answer.status, answer.body) == (200, b'{"alive":true}')


def test_of_two_keys_in_one_request_neither_is_chosen_for_the_better(suite: Suite) -> None:
    head = b"GET /v1/units HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"

    wrong_first = only_answer(knock(suite, head + b"Authorization: Bearer wrong\r\n" + KEY + b"\r\n"))
    right_first = only_answer(knock(suite, head + KEY + b"Authorization: Bearer wrong\r\n\r\n"))

    assert (wrong_first.problem["status"], right_first.problem["status"]) == (400, 400)


def test_of_two_idempotency_keys_in_one_request_neither_is_taken(suite: Suite) -> None:
    keys = b"Idempotency-Key: one\r\nIdempotency-Key: two\r\n"
    head = b"POST /v1/feedback HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n" + KEY + keys

    answer = only_answer(knock(suite, head + b"\r\n{}"))

    assert (answer.problem["status"], answer.problem["detail"]) == (400, "Send one Idempotency-Key.")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
        (b"GET /livez?" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 10_000_000, 431),
    ],
)
def test_a_huge_head_is_refused(suite: Suite, head: bytes, status: int) -> None:
    answer = only_answer(knock(suite, head))

    assert answer.problem["status"] == status


@pytest.mark.parametrize("value", [b"\xff\xfe", b"\xc3\x28", b"\x80" * 100])
def test_a_key_that_is_no_text_is_a_wrong_key(suite: Suite, value: bytes) -> None:
    head = (
        b"GET /v1/units HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer "
        + value
        + b"\r\n\r\n"
    )

    assert only_answer(knock(suite, head)).problem["status"] == 401
