"""The express lane: ordinary requests to the busiest endpoints, without the machinery that FastAPI has around a call.

An endpoint is declared like any other and marked `@express`; its route, description and dependencies stay FastAPI's. The
lane reads once from the route what to call, and then calls it with what each request brings. A body or header that breaks
its rule is handed on to FastAPI, which says what is wrong: so the two ways differ in nothing but speed. FastAPI's own way
cost some 70 µs per request more (why a lane: `docs/adr/0005-proof-and-speed.md`).

Not for endpoints that open a transaction, stream, or take parameters from path, query or cookies.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, Final, TypeVar

from fastapi import params
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from huiyin_chassis.bodies import GuardedBody, NoDocument
from huiyin_chassis.errors import RouteUnfit
from huiyin_chassis.headers import header_of

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_JSON_TYPE: Final = (b"content-type", b"application/json")


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
    """ASGI middleware inside `BodyGuard` that answers ordinary requests to marked endpoints by itself.

    `routes` are those of `express_routes`, `handlers` the app's exception handlers.
    """

    def __init__(
        self, app: ASGIApp, *, routes: Iterable[RouteContext], handlers: Mapping[Any, ExceptionHandler]
    ) -> None:
        self.app = app
        self._doors = {
            (method, route.path): ExceptionMiddleware(_Door(route, usual=app), handlers=handlers)
            for route in routes
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        # Only requests with a body are guarded.
        door = self._doors.get((scope["method"], scope["path"])) if isinstance(receive, GuardedBody) else None
        await (door or self.app)(scope, receive, send)


class _Unusual(Exception):
    """A request that FastAPI shall answer."""


class _Door:
    """One marked endpoint as an ASGI application."""

    def __init__(self, route: RouteContext, *, usual: ASGIApp) -> None:
        self._usual = usual
        self._route = route.original_route
        self._endpoint: Any = route.endpoint
        self._status = route.status_code or 200
        self._model: type[BaseModel] = route.response_model
        self._leaves_out_none: bool = route.response_model_exclude_none
        [body] = route.dependant.body_params
        self._body_name = body.name
        self._validate = TypeAdapter(body.field_info.annotation).validator.validate_python
        self._dependencies = [_Dependency(each) for each in route.dependant.dependencies]
        self._with_headers = [each for each in self._dependencies if each.takes_headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose body and headers keep their rules, and hand on any other."""
        assert isinstance(receive, GuardedBody)  # noqa: S101  # the lane takes no other
        scope["route"], scope["endpoint"] = self._route, self._endpoint
        try:
            post = self._validate(await receive.document())
            arguments = {self._body_name: post} | await self._given(Request(scope, receive))
        except (NoDocument, ValidationError, _Unusual):
            await self._usual(scope, receive, send)
            return
        answer = await self._endpoint(**arguments)
        if isinstance(answer, Response):
            await answer(scope, receive, send)
        else:
            await self._send(answer, send)

    async def _given(self, request: Request) -> dict[str, Any]:
        # All headers first: once a dependency has run, the request can no longer be handed on.
        headers = {each: each.headers_of(request) for each in self._with_headers}
        given: dict[str, Any] = {}
        for dependency in self._dependencies:
            value = dependency.call(request, headers.get(dependency, {}))
            if dependency.is_async:
                value = await value
            if dependency.name is not None:
                given[dependency.name] = value
        return given

    async def _send(self, answer: BaseModel, send: Send) -> None:
        if type(answer) is not self._model:
            raise TypeError(f"{self._endpoint.__name__} answered no {self._model.__name__}")
        body = answer.__pydantic_serializer__.to_json(answer, exclude_none=self._leaves_out_none)
        headers = [(b"content-length", b"%d" % len(body)), _JSON_TYPE]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


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
