"""The express lane: ordinary requests to the busiest endpoints, without the machinery that FastAPI has around a call.

An endpoint is declared like any other and marked `@express`; its route, description and dependencies stay FastAPI's. The
lane reads once from the route what to call, and then calls it with what each request brings. A body or header that breaks
its rule is handed on to FastAPI, which says what is wrong: so the two ways differ in nothing but speed. FastAPI's own way
cost some 70 µs per request more (why a lane: `docs/adr/0005-proof-and-speed.md`).

Not for endpoints that open a transaction, stream, or take parameters from path, query or cookies.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from time import perf_counter
from typing import Any, Final, TypeVar

from fastapi import FastAPI, params
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from huiyin_chassis.bodies import GuardedBody, NoDocument, has_body, rule_of
from huiyin_chassis.errors import RouteUnfit
from huiyin_chassis.headers import header_of
from huiyin_chassis.requests import DEFAULT_HEADERS, SECURITY_HEADERS, AnswerSender, RequestFrame
from huiyin_eventbus.tracing import child_of, new_traceparent, traced

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_CONSTANT_HEADERS: Final = ((b"content-type", b"application/json"), *SECURITY_HEADERS, *DEFAULT_HEADERS)
_HEAD: Final = b"content-length: %%s\r\n%sx-trace-id: %%s\r\n" % b"".join(
    b"%s: %s\r\n" % header for header in _CONSTANT_HEADERS
)


def express(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint whose ordinary requests take the express lane; stands below the route's decorator."""
    endpoint.is_express = True  # type: ignore[attr-defined]  # functions carry attributes
    return endpoint


def express_routes(routes: Sequence[BaseRoute]) -> list[RouteContext]:
    """Return the routes of marked endpoints. Raises RouteUnfit for one that the lane could not call.

    Where no endpoint is marked, nothing is asked of FastAPI: what it works out for an included route, it works out on the
    first request, and a start need not wait for that.
    """
    if not any(map(_may_be_marked, routes)):
        return []
    marked = [each for each in iter_route_contexts(routes) if getattr(each.endpoint, "is_express", False)]
    for route in marked:
        _check_fit(route)
    return marked


def _may_be_marked(route: BaseRoute) -> bool:
    """Return whether a route, or one of the router that it includes, is of a marked endpoint."""
    # FastAPI keeps an included router whole, under a name of its own; a test says when that changes.
    included = getattr(route, "original_router", None)
    if included is not None:
        return any(map(_may_be_marked, included.routes))
    return getattr(getattr(route, "endpoint", None), "is_express", False)


class ExpressLane:
    """Answers ordinary requests to marked endpoints by itself, with all the guards of the app's own middlewares.

    `routes` are those of `express_routes`, `usual` is the app's own way to answer. `covered` are the dependencies that the
    lane stands for: it knows no query, and asks for the caller's key before it reads a body.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        usual: ASGIApp,
        routes: Iterable[RouteContext],
        service: str,
        covered: Collection[Callable[..., Any]] = (),
    ) -> None:
        frame = RequestFrame(usual, service=service)
        self._doors = {
            (method, route.path): _Door(route, app=app, frame=frame, covered=covered)
            for route in routes
            for method in route.methods or ()
        }

    def door_of(self, scope: Scope) -> ASGIApp | None:
        """Return what answers a request that may be an ordinary one, None for any other."""
        if scope["type"] != "http" or scope["query_string"]:
            return None
        door = self._doors.get((scope["method"], scope["path"]))
        return door if door is not None and has_body(scope) else None


class _Unusual(Exception):
    """A request that FastAPI shall answer."""


class _Door:
    """One marked endpoint as an ASGI application."""

    def __init__(
        self,
        route: RouteContext,
        *,
        app: FastAPI,
        frame: RequestFrame,
        covered: Collection[Callable[..., Any]],
    ) -> None:
        self._app = app
        self._frame = frame
        self._route = route.original_route
        self._endpoint: Any = route.endpoint
        self._rule = rule_of(self._route, self._endpoint)
        self._status = route.status_code or 200
        self._model: type[BaseModel] = route.response_model
        self._leaves_out_none: bool = route.response_model_exclude_none
        [body] = route.dependant.body_params
        self._body_name = body.name
        self._validate = TypeAdapter(body.field_info.annotation).validator.validate_python
        self._dependencies = [
            _Dependency(each) for each in route.dependant.dependencies if each.call not in covered
        ]
        self._with_headers = [each for each in self._dependencies if each.takes_headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose body and headers keep their rules, and hand on any other."""
        started_at = perf_counter()
        scope["app"], scope["route"], scope["endpoint"] = self._app, self._route, self._endpoint
        body = GuardedBody(scope, receive, rule=self._rule)
        traceparent = child_of(header_of(scope, b"traceparent")) or new_traceparent()
        self._frame.in_flight.inc()
        try:
            with traced(traceparent):
                answer = await self._answer(scope, body)
                if isinstance(answer, bytes):
                    await self._send(answer, traceparent, send)
                    self._frame.count(scope, self._status, started_at=started_at)
                else:
                    await self._frame.answer(answer, scope, body, send, started_at=started_at)
                return
        except _Unusual:
            pass  # handed on below, outside of the trace and the count: both are the frame's of the usual way
        finally:
            self._frame.in_flight.dec()
        await self._frame.app(scope, body, send)

    async def _answer(self, scope: Scope, body: GuardedBody) -> ASGIApp | bytes:
        """Return the body of an ordinary answer, or what gives another. Raises _Unusual for a request to hand on."""
        try:
            arguments = await self._arguments(scope, body)
            answer = await self._endpoint(**arguments)
            return answer if isinstance(answer, Response) else self._encoded(answer)
        except _Unusual:
            raise
        except Exception as error:  # noqa: BLE001  # answered as the app answers it, or by the frame
            return ExceptionMiddleware(_Failed(error), handlers=self._app.exception_handlers)

    async def _arguments(self, scope: Scope, body: GuardedBody) -> dict[str, Any]:
        try:
            post = self._validate(await body.document())
        except (NoDocument, ValidationError):
            raise _Unusual from None
        request = Request(scope, body)
        # All headers first: once a dependency has run, the request can no longer be handed on.
        headers = {each: each.headers_of(request) for each in self._with_headers}
        given: dict[str, Any] = {self._body_name: post}
        for dependency in self._dependencies:
            value = dependency.call(request, headers.get(dependency, {}))
            if dependency.is_async:
                value = await value
            if dependency.name is not None:
                given[dependency.name] = value
        return given

    def _encoded(self, answer: BaseModel) -> bytes:
        if type(answer) is not self._model:
            raise TypeError(f"{self._endpoint.__name__} answered no {self._model.__name__}")
        return answer.__pydantic_serializer__.to_json(answer, exclude_none=self._leaves_out_none)

    async def _send(self, body: bytes, traceparent: str, send: Send) -> None:
        length, trace = b"%d" % len(body), traceparent[3:35].encode()
        if isinstance(send, AnswerSender) and send.send_whole(self._status, _HEAD % (length, trace), body):
            return
        headers = [(b"content-length", length), *_CONSTANT_HEADERS, (b"x-trace-id", trace)]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Failed:
    """An ASGI application that raises what an endpoint has raised."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def __call__(self, _scope: Scope, _receive: Receive, _send: Send) -> None:
        raise self._error


class _Dependency:
    """What FastAPI would call before the endpoint: with the request, headers, or nothing."""

    def __init__(self, dependant: Dependant) -> None:
        self.name = dependant.name
        self._call: Any = dependant.call
        self._request_name = dependant.request_param_name
        self._headers = [_HeaderParameter(each) for each in dependant.header_params]
        self.takes_headers = bool(self._headers)
        self.is_async = _is_async(self._call)

    def headers_of(self, request: Request) -> dict[str, Any]:
        """Return the values of its header parameters; raises _Unusual when one breaks its rule."""
        return {each.name: each.of(request) for each in self._headers}

    def call(self, request: Request, headers: dict[str, Any]) -> Any:
        """Return what the endpoint gets, or will get when the dependency is async."""
        if self._request_name is not None:
            headers = {self._request_name: request, **headers}
        return self._call(**headers)


def _is_async(call: Any) -> bool:
    return iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


class _HeaderParameter:
    """A header as FastAPI would pass it on."""

    def __init__(self, field: ModelField) -> None:
        self.name = field.name
        self._field = field
        self._header = field.alias.lower().encode()
        self._is_required = field.field_info.is_required()
        self._default = field.get_default()

    def of(self, request: Request) -> Any:
        """Return the header's value or its default; raises _Unusual when it is missing or breaks its rule."""
        given = header_of(request.scope, self._header)
        if given is None:
            if self._is_required:
                raise _Unusual
            return self._default
        value, errors = self._field.validate(given)
        if errors:
            raise _Unusual
        return value


def _check_fit(route: RouteContext) -> None:
    """Raise RouteUnfit for what the lane could not call as FastAPI would."""
    endpoint, dependant = route.endpoint, getattr(route, "dependant", None)
    is_fit = (
        isinstance(dependant, Dependant)
        and iscoroutinefunction(endpoint)
        and isinstance(route.response_model, type)
        and issubclass(route.response_model, BaseModel)
        and len(dependant.body_params) == 1
        and isinstance(dependant.body_params[0].field_info, params.Body)
        and not isinstance(dependant.body_params[0].field_info, params.Form)
        and not dependant.body_params[0].field_info.embed
        and not (dependant.header_params or dependant.request_param_name or _takes_more(dependant))
        and all(_is_plain(each) for each in dependant.dependencies)
    )
    if not is_fit:
        raise RouteUnfit(str(route.path))


def _is_plain(dependency: Dependant) -> bool:
    """Tell whether a dependency asks for nothing but the request and headers, and gives its value at once."""
    nested = dependency.dependencies or dependency.body_params or _takes_more(dependency)
    call = dependency.call
    return not (nested or isgeneratorfunction(call) or isasyncgenfunction(call))


def _takes_more(dependant: Dependant) -> bool:
    return bool(
        dependant.path_params
        or dependant.query_params
        or dependant.cookie_params
        or dependant.response_param_name
        or dependant.background_tasks_param_name
        or dependant.http_connection_param_name
        or dependant.websocket_param_name
        or dependant.security_scopes_param_name
    )
