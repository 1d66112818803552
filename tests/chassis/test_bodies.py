"""Nothing hostile in a body gets past the door, and nobody without a key gets as far as being read."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.bodies import DEFAULT_MAX_BYTES, MIB, BodyGuard, takes_json
from huiyin_chassis.server import HttpServer, listen
from tests.chassis.web import ADMIN, app_of, client_of, pointers, slug

JSON_TYPE = {"Content-Type": "application/json"}
SENT = ADMIN | JSON_TYPE


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
async def upload(request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])


@takes_json()
async def hot(request: Request) -> Response:
    return Response(await request.body())


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


async def test_an_upload_streams_any_bytes_up_to_the_limit() -> None:
    async with client_of(APP) as client:
        taken = await client.post("/v1/notes/upload", content=b"\x00\xff" * 1000)
        refused_one = await client.post("/v1/notes/upload", content=b"x" * (DEFAULT_MAX_BYTES + 1))

        assert (taken.json(), refused_one.status_code) == (2000, 413)


async def test_a_plain_route_gets_a_checked_body() -> None:
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
