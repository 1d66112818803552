"""Nothing hostile in a body gets past the door, and nobody without a key gets as far as being read."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from time import process_time
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Request
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from starlette.responses import JSONResponse, Response

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.bodies import (
    MAX_DEPTH,
    MIB,
    BodyGuard,
    check_json,
    checked_document,
    is_deeper_than,
    takes_bytes,
    takes_json,
)
from huiyin_chassis.problems import Refusal
from huiyin_chassis.server import HttpServer, listen
from tests.chassis.web import ADMIN, app_of, client_of, pointers, slug

JSON_TYPE = {"Content-Type": "application/json"}
SENT = ADMIN | JSON_TYPE

STORABLE = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | STORABLE
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(STORABLE, inner, max_size=5)
)


def refused(body: bytes, **limits: int) -> Refusal:
    with pytest.raises(Refusal) as refusal:
        check_json(body, **limits)
    return refusal.value


def document_or_refusal(body: bytes) -> Any:
    try:
        return check_json(body)
    except Refusal as refusal:
        return refusal


def pointed(body: bytes) -> dict[str | None, str]:
    refusal = refused(body)
    assert refusal.status_code == 422
    return {error.pointer: error.detail for error in refusal.errors}


@given(DOCUMENTS, st.booleans())
@example(["\\u0000", '\\"[[[', "\U0001f600"], True)
@example({'"': '{"\\\\"}'}, False)
def test_what_json_can_say_and_tables_can_store_passes_unchanged(document: Any, ensure_ascii: bool) -> None:  # noqa: FBT001
    body = json.dumps(document, ensure_ascii=ensure_ascii).encode()

    assert check_json(body, max_depth=1000) == document


@given(
    st.binary(max_size=64) | st.text('{}[]",:\\u0d8abef1.eE-+ nulltrefas\x00', max_size=64).map(str.encode)
)
@settings(max_examples=500)
def test_any_bytes_are_a_document_or_a_refusal(body: bytes) -> None:
    outcome = document_or_refusal(body)

    if isinstance(outcome, Refusal):
        assert outcome.status_code == (422 if outcome.errors else 400)
    else:
        assert outcome == json.loads(body.decode())


@given(DOCUMENTS)
def test_depth_is_counted_as_a_walk_would(document: Any) -> None:
    def depth(value: Any) -> int:
        if isinstance(value, dict):
            value = list(value.values())
        return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0

    body = json.dumps(document).encode()

    assert is_deeper_than(depth(document), body) is False
    assert depth(document) == 0 or is_deeper_than(depth(document) - 1, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1} x',
        b"[1,]",
        b'"\x01"',
        b"\xff",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        '{"a": 1}'.encode("utf-16"),
        b"nul",
        b"01",
    ],
)
def test_what_is_not_json_in_utf8_is_malformed(body: bytes) -> None:
    refusal = refused(body)

    assert (refusal.status_code, refusal.slug) == (400, "malformed-json")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a": {"b": 1, "b": 2}}', "#/a"),
        (b'[{"a": 1}, {"a": 1, "a": 1}]', "#/1"),
        (b'{"a": ["x", "\\u0000"]}', "#/a/1"),
        (b'{"a": "\\ud800"}', "#/a"),
        (b'{"a": "\\udc00\\ud800"}', "#/a"),
        (b'{"a": "\\ud83d\\ude00\\ud83d"}', "#/a"),
        (b'{"a": {"\\u0000": 1}}', "#/a"),
        (b'{"a": NaN}', "#/a"),
        (b"[-Infinity]", "#/0"),
        (b'{"a": 1e999}', "#/a"),
        (b'{"a": 9223372036854775808}', "#/a"),
        (b'{"a": ' + b"9" * 5000 + b"}", "#/a"),
        (b"[" * 33 + b"]" * 33, "#" + "/0" * 32),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "#" + "/a" * 32),
        (b"[" * 100_000, "#"),
    ],
)
def test_what_json_can_say_but_no_table_should_hold_is_pointed_at(body: bytes, pointer: str) -> None:
    assert list(pointed(body)) == [pointer]


def test_a_repeated_name_is_named_and_values_are_not() -> None:
    assert pointed(b'{"a": "secret", "a": "secret"}') == {"#": 'The name "a" stands twice in this object.'}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * MAX_DEPTH + b"]" * MAX_DEPTH,
        b'["' + b"[{" * 100 + b'"]',
        b'["\\\\", "\\"[[", "' + b"[" * 50 + b'"]',
        b'["\\\\u0000", "\\\\ud800"]',
        b"[-9223372036854775808, 9223372036854775807, 1.7976931348623157e308, 1e-999]",
        '["😀", "\\ud83d\\ude00"]'.encode(),
    ],
)
def test_what_only_looks_dangerous_passes(body: bytes) -> None:
    assert check_json(body) == json.loads(body)


def test_the_number_of_values_is_bounded() -> None:
    assert list(pointed(b"[" + b"0," * 600_000 + b"0]")) == ["#"]


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 2_000_000,
        b'"' + b"\\" * 4_000_001,
        b'["' + b"\\u0041" * 500_000 + b'\\ud800"]',
        b'[{"a":1,"a":2}' + b",0" * 200_000 + b"]",
        b"[" * 200_000 + b"]" * 200_000,
        b"[" + b'{"a":{}},' * 80_000 + b"9" * 100_000 + b"]",
    ],
)
def test_no_body_makes_the_check_slow(body: bytes) -> None:
    started_at = process_time()

    refused(body)

    assert process_time() - started_at < 3


class Note(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str


router = APIRouter()
calls: list[str] = []


@router.post("/v1/notes")
async def post_note(note: Note, principal: Annotated[Principal, require("feedback:write")]) -> dict[str, int]:
    calls.append(note.text)
    return {"length": len(note.text)}


@router.post("/v1/notes/batch")
@takes_json(max_bytes=MIB)
async def post_notes(notes: list[Note]) -> int:
    return len(notes)


@router.post("/v1/notes/upload")
@takes_bytes(max_bytes=MIB)
async def upload(request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])


@takes_json()
async def hot(request: Request) -> Response:
    await request.body()
    return JSONResponse(checked_document(request))


router.add_route("/v1/notes/hot", hot, methods=["POST"])
APP = app_of(router)


@pytest.fixture(autouse=True)
def forget_calls() -> None:
    calls.clear()


async def test_a_good_body_reaches_its_endpoint() -> None:
    async with client_of(APP, **ADMIN) as client:
        answer = await client.post("/v1/notes", json={"text": "回音"})

        assert answer.json() == {"length": 2}


@pytest.mark.parametrize(
    ("content", "headers", "status", "expected"),
    [
        (b"{", JSON_TYPE, 400, "malformed-json"),
        (b'{"text": "\\u0000"}', JSON_TYPE, 422, "unfit-json"),
        (b'{"text": "a", "more": 1}', JSON_TYPE, 422, "invalid-content"),
        (b'{"text": "a"}', {}, 415, "unsupported-media-type"),
        (b'{"text": "a"}', {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        (b'{"text": "a"}', {"Content-Type": "application/json; charset=gbk"}, 415, "unsupported-media-type"),
        (
            gzip.compress(b'{"text": "a"}'),
            JSON_TYPE | {"Content-Encoding": "gzip"},
            415,
            "unsupported-media-type",
        ),
        (b'{"text": "' + b"a" * 262_144 + b'"}', JSON_TYPE, 413, "body-too-large"),
    ],
)
async def test_a_bad_body_is_refused_before_its_endpoint(
    content: bytes, headers: dict[str, str], status: int, expected: str
) -> None:
    async with client_of(APP, **ADMIN) as client:
        answer = await client.post("/v1/notes", content=content, headers=headers)

        assert (answer.status_code, slug(answer)) == (status, expected)
        assert calls == []


async def test_a_refusal_points_at_what_is_wrong() -> None:
    async with client_of(APP, **SENT) as client:
        answer = await client.post("/v1/notes", content=b'{"text": "a", "text": "b"}')

        assert pointers(answer) == {"#": 'The name "text" stands twice in this object.'}


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "application/vnd.huiyin+json"])
async def test_json_under_its_other_names_is_taken(media_type: str) -> None:
    async with client_of(APP, **ADMIN) as client:
        answer = await client.post("/v1/notes", content=b'{"text": ""}', headers={"Content-Type": media_type})

        assert answer.status_code == 200


async def test_without_a_key_the_body_is_not_even_read() -> None:
    asked: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        for number in range(1000):
            asked.append(number)
            yield b"x" * 1000

    async with client_of(APP, **JSON_TYPE) as client:
        answer = await client.post("/v1/notes", content=endless())

        assert answer.status_code == 401
        assert len(asked) <= 1


async def test_a_stream_without_a_declared_length_is_cut_off_at_the_limit() -> None:
    asked: list[int] = []

    async def long() -> AsyncIterator[bytes]:
        for number in range(1000):
            asked.append(number)
            yield b" " * 10_000

    async with client_of(APP, **SENT) as client:
        answer = await client.post("/v1/notes", content=long())

        assert (answer.status_code, answer.json()["max_bytes"]) == (413, 262_144)
        assert len(asked) < 30


async def test_an_endpoint_can_take_more_than_the_default() -> None:
    async with client_of(APP, **SENT) as client:
        taken = await client.post("/v1/notes/batch", json=[{"text": "a" * 1000}] * 500)
        refused_one = await client.post("/v1/notes/batch", json=[{"text": "a" * 1000}] * 1100)

        assert (taken.json(), refused_one.status_code) == (500, 413)


async def test_an_upload_streams_any_bytes_up_to_its_limit() -> None:
    async with client_of(APP) as client:
        taken = await client.post("/v1/notes/upload", content=b"\x00\xff" * 1000)
        refused_one = await client.post("/v1/notes/upload", content=b"x" * (MIB + 1))

        assert (taken.json(), refused_one.status_code) == (2000, 413)


async def test_a_plain_route_gets_the_checked_document() -> None:
    async with client_of(APP, **JSON_TYPE) as client:
        good = await client.post("/v1/notes/hot", content=b'{"a": [1, 2]}')
        bad = await client.post("/v1/notes/hot", content=b'{"a": [1, NaN]}')

        assert good.json() == {"a": [1, 2]}
        assert (bad.status_code, list(pointers(bad))) == (422, ["#/a/1"])


async def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    guarded = BodyGuard(APP.build_middleware_stack(), body_seconds=0.05)
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/notes/hot",
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"10")],
        "query_string": b"",
        "app": APP,
    }

    await guarded(scope, never, send)

    assert sent[0]["status"] == 408


async def test_over_a_real_connection_slow_and_huge_bodies_get_their_problem() -> None:
    bound = listen("127.0.0.1", 0)
    server = HttpServer(BodyGuard(APP, body_seconds=0.1), bound)
    await server.start()
    head = f"POST /v1/notes HTTP/1.1\r\nHost: x\r\nAuthorization: {ADMIN['Authorization']}\r\n".encode()
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n{"
    try:
        slow = await exchange(bound.getsockname(), head % 100)
        huge = await exchange(bound.getsockname(), head % 10_000_000_000)
    finally:
        await server.stop()

    assert slow.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in slow
    assert huge.startswith(b"HTTP/1.1 413 ")


async def exchange(address: tuple[str, int], sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    return answer
