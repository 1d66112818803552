"""The express lane: whatever is asked, the answer is the one that FastAPI's own way would give."""

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Header, Query, Request
from httpx2 import AsyncClient, Response
from prometheus_client import REGISTRY
from pydantic import BaseModel, ConfigDict, Field
from starlette import responses

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.bodies import BodyGuard, takes_json
from huiyin_chassis.errors import Overloaded, RouteUnfit
from huiyin_chassis.express import express, express_routes
from huiyin_chassis.idempotency import ReadClaim
from huiyin_chassis.requests import RequestFrame
from huiyin_chassis.runtime import Running
from huiyin_chassis.server import HttpServer, listen, url_of
from huiyin_eventbus.tracing import current_traceparent
from tests.chassis.web import ADMIN, app_of, client_of

JSON_TYPE = {"Content-Type": "application/json"}
SENT = ADMIN | JSON_TYPE
NOTE = b'{"text": "a", "tags": ["b"]}'


class NoteTooOdd(Exception):
    """The note is odd."""


class NoteLost(Exception):
    """Nobody foresaw this one."""


FAILURES: dict[str, type[Exception]] = {
    "odd": NoteTooOdd,
    "lost": NoteLost,
    "busy": Overloaded,
    "gone": ConnectionRefusedError,
}


class NoteIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(max_length=20)]
    tags: Annotated[tuple[str, ...], Field(max_length=2)] = ()


class NoteView(BaseModel):
    text: str
    tags: tuple[str, ...]
    by: str
    service: str
    key: str | None = None


async def post_note(
    note: NoteIn,
    runtime: Running,
    principal: Annotated[Principal, require("feedback:write")],
    claim: ReadClaim,
) -> NoteView | responses.Response:
    """Take a note."""
    if note.text in FAILURES:
        raise FAILURES[note.text]("told")
    if note.text == "plain":
        return responses.Response(b"as it is", 200, media_type="text/plain")
    return NoteView(
        text=note.text,
        tags=note.tags,
        by=principal.id,
        service=runtime.service.name,
        key=claim.key if claim else None,
    )


def app_with(endpoint: Any, *, name: str) -> Any:
    """Return the app of a service in which an endpoint takes notes."""
    router = APIRouter()
    options: dict[str, Any] = {"response_model": NoteView, "response_model_exclude_none": True}
    router.post("/v1/notes", status_code=202, **options)(endpoint)
    router.get("/v1/notes")(lambda: "got")
    return app_of(router, problems={NoteTooOdd: 409}, name=name)


async def usual_post_note(
    note: NoteIn,
    runtime: Running,
    principal: Annotated[Principal, require("feedback:write")],
    claim: ReadClaim,
) -> NoteView | responses.Response:
    """Take a note."""
    return await post_note(note, runtime, principal, claim)


APPS = (app_with(express(post_note), name="express"), app_with(usual_post_note, name="usual"))


async def answers(method: str, path: str, content: bytes, headers: dict[str, str]) -> list[Response]:
    """Return what the lane and FastAPI's own way answer to the same request."""
    told = []
    for app in APPS:
        async with client_of(app) as client:
            told.append(await client.request(method, path, content=content, headers=headers))
    return told


def essence(answer: Response) -> tuple[int, dict[str, str], bytes]:
    """Return all of an answer but its trace and the name of its service."""
    headers = dict(answer.headers)
    trace = headers.pop("x-trace-id")
    content = answer.content.replace(trace.encode(), b"").replace(b'"express"', b'"usual"')
    headers.pop("content-length")
    return answer.status_code, headers, content


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (NOTE, SENT, 202),
        (NOTE, SENT | {"Content-Type": "application/vnd.huiyin+json"}, 202),
        (NOTE, SENT | {"Idempotency-Key": '"k-1"'}, 202),
        (b'{"text": "plain"}', SENT, 200),
        (b'{"text": "odd"}', SENT, 409),
        (b'{"text": "busy"}', SENT, 503),
        (b'{"text": "gone"}', SENT, 503),
        (b'{"text": "lost"}', SENT, 500),
        (NOTE, JSON_TYPE, 401),
        (NOTE, JSON_TYPE | {"Authorization": "Basic eDp5"}, 401),
        (NOTE, ADMIN, 415),
        (NOTE, SENT | {"Content-Encoding": "gzip"}, 415),
        (b"", SENT, 422),
        (b"{", SENT, 400),
        (b"\xff", SENT, 400),
        (b'"text"', SENT, 422),
        (b"null", SENT, 422),
        (b"{}", SENT, 422),
        (b'{"text": 1, "more": 2}', SENT, 422),
        (b'{"text": "a", "text": "b"}', SENT, 422),
        (b'{"text": "\\u0000"}', SENT, 422),
        (b'{"text": "a", "tags": ' + b"[" * 40 + b"]" * 40 + b"}", SENT, 422),
        (b'{"text": "' + b"a" * 300_000 + b'"}', SENT, 413),
        (NOTE, SENT | {"Idempotency-Key": ""}, 400),
        (NOTE, SENT | {"Idempotency-Key": "k" * 300}, 400),
        (NOTE, SENT | {"Idempotency-Key": "k" * 600}, 422),
        (b"{}", SENT | {"Idempotency-Key": "k" * 600}, 422),
        (b"{", SENT | {"Idempotency-Key": "k" * 600}, 400),
    ],
)
async def test_the_lane_answers_as_the_usual_way_does(
    content: bytes, headers: dict[str, str], status: int
) -> None:
    lane, usual = await answers("POST", "/v1/notes", content, headers)

    assert lane.status_code == status
    assert essence(lane) == essence(usual)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/notes?text=a", 422),
        ("POST", "/v1/notes/", 404),
        ("PUT", "/v1/notes", 405),
        ("GET", "/v1/notes", 200),
    ],
)
async def test_what_is_not_the_endpoint_is_not_for_the_lane(method: str, path: str, status: int) -> None:
    lane, usual = await answers(method, path, NOTE, SENT)

    assert lane.status_code == status
    assert essence(lane) == essence(usual)


async def test_an_ordinary_request_does_not_go_through_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_to_be_called(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(APPS[0].router, "middleware_stack", not_to_be_called)

    lane, _ = await answers("POST", "/v1/notes", NOTE, SENT)

    assert lane.status_code == 202


def test_the_lane_passes_no_middleware_but_those_it_stands_for() -> None:
    # Whatever is added to the app guards no request of the lane: it has to be built into the lane as well.
    for app in APPS:
        assert [each.cls for each in app.user_middleware] == [RequestFrame, BodyGuard]
        assert [each.kwargs for each in app.user_middleware] == [
            {"service": app.state.runtime.service.name},
            {},
        ]


async def test_a_request_of_the_lane_is_counted_under_its_route() -> None:
    def counted() -> float:
        labels = {"service": "express", "method": "POST", "route": "/v1/notes", "status": "202"}
        return REGISTRY.get_sample_value("huiyin_http_request_seconds_count", labels) or 0.0

    before = counted()

    await answers("POST", "/v1/notes", NOTE, SENT)

    assert counted() == before + 1


@pytest.mark.parametrize(
    ("content", "status"), [(NOTE, 202), (b"{}", 422), (b"{", 400), (b'{"text": "odd"}', 409)]
)
async def test_whatever_becomes_of_a_request_it_is_counted_once_and_leaves_no_trace_behind(
    content: bytes, status: int
) -> None:
    labels = {"service": "express", "method": "POST", "route": "/v1/notes", "status": str(status)}
    before = REGISTRY.get_sample_value("huiyin_http_request_seconds_count", labels) or 0.0

    await answers("POST", "/v1/notes", content, SENT)

    assert REGISTRY.get_sample_value("huiyin_http_request_seconds_count", labels) == before + 1
    assert REGISTRY.get_sample_value("huiyin_http_requests_in_flight", {"service": "express"}) == 0
    assert current_traceparent() is None


async def test_an_ordinary_request_goes_on_in_its_callers_trace() -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    lane, _ = await answers(
        "POST", "/v1/notes", NOTE, SENT | {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    )

    assert lane.headers["x-trace-id"] == trace


async def test_over_a_socket_the_answer_is_the_same() -> None:
    told = []
    for app in APPS:
        bound = listen("127.0.0.1", 0)
        server = HttpServer(app, bound)
        await server.start()
        async with AsyncClient(base_url=url_of(bound), trust_env=False) as client:
            told.append([await client.post("/v1/notes", content=NOTE, headers=SENT) for _ in range(2)])
        await server.stop()

    lane, usual = ([without_date(answer) for answer in each] for each in told)
    assert lane == usual
    assert [status for status, _, _ in lane] == [202, 202]


def without_date(answer: Response) -> tuple[int, dict[str, str], bytes]:
    """Return all of an answer but its trace, its time and the name of its service."""
    assert answer.headers.pop("date")
    return essence(answer)


def test_both_ways_are_described_alike() -> None:
    lane, usual = (app.openapi()["paths"]["/v1/notes"]["post"] for app in APPS)

    assert lane == usual | {"operationId": "post_note", "summary": "Post Note"}


def gives_later() -> Iterator[int]:
    yield 1


def asks_the_query(limit: Annotated[int, Query()]) -> int:
    return limit


def stands_on_another(first: Annotated[int, Depends(asks_the_query)]) -> int:
    return first


@express
async def takes_a_transaction(note: NoteIn, tx: Annotated[int, Depends(gives_later)]) -> NoteView:
    raise AssertionError


@express
async def takes_a_query(note: NoteIn, limit: int) -> NoteView:
    raise AssertionError


@express
async def takes_another_s_query(note: NoteIn, limit: Annotated[int, Depends(asks_the_query)]) -> NoteView:
    raise AssertionError


@express
async def takes_what_stands_on_another(
    note: NoteIn, first: Annotated[int, Depends(stands_on_another)]
) -> NoteView:
    raise AssertionError


@express
async def takes_two_bodies(note: NoteIn, other: NoteIn) -> NoteView:
    raise AssertionError


@express
async def takes_an_embedded_body(note: Annotated[NoteIn, Body(embed=True)]) -> NoteView:
    raise AssertionError


@express
async def takes_a_header(note: NoteIn, x_shop: Annotated[str, Header()]) -> NoteView:
    raise AssertionError


@express
async def takes_the_request(note: NoteIn, request: Request) -> NoteView:
    raise AssertionError


@express
def waits_in_a_thread(note: NoteIn) -> NoteView:
    raise AssertionError


@express
async def answers_no_model(note: NoteIn) -> int:
    raise AssertionError


@takes_json()
@express
async def is_no_fastapi_endpoint(_request: Request) -> responses.Response:
    raise AssertionError


@pytest.mark.parametrize(
    "endpoint",
    [
        takes_a_transaction,
        takes_a_query,
        takes_another_s_query,
        takes_what_stands_on_another,
        takes_two_bodies,
        takes_an_embedded_body,
        takes_a_header,
        takes_the_request,
        waits_in_a_thread,
        answers_no_model,
    ],
)
def test_an_endpoint_that_the_lane_cannot_call_is_refused_at_the_start(endpoint: Any) -> None:
    router = APIRouter()
    router.post("/v1/notes")(endpoint)

    with pytest.raises(RouteUnfit, match="/v1/notes"):
        app_of(router)


def test_a_plain_route_cannot_be_marked() -> None:
    router = APIRouter()
    router.add_route("/v1/notes", is_no_fastapi_endpoint, methods=["POST"])

    with pytest.raises(RouteUnfit):
        app_of(router)


def test_a_marked_endpoint_is_found_in_a_router_within_a_router() -> None:
    inner, outer, app = APIRouter(), APIRouter(), FastAPI()
    inner.post("/notes", response_model=NoteView)(express(post_note))
    outer.include_router(inner, prefix="/v1")
    app.include_router(outer)

    assert [route.path for route in express_routes(app.routes)] == ["/v1/notes"]


def test_a_start_does_not_work_routes_out_where_none_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    router, app = APIRouter(), FastAPI()
    router.get("/notes")(asks_the_query)
    app.include_router(router)
    asked: list[object] = []
    monkeypatch.setattr("huiyin_chassis.express.iter_route_contexts", asked.append)

    assert express_routes(app.routes) == []
    assert asked == []
