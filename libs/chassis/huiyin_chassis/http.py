"""The HTTP door of a service: its router with everything that every service has around it.

`create_service_app` builds the app of one service; `create_suite_app` puts the apps of several on one port, where
health, metrics and the API's description answer for all of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from huiyin_chassis import consumers, operations
from huiyin_chassis.auth import KeyRing, admit
from huiyin_chassis.bodies import BodyGuard
from huiyin_chassis.docs import describe, docs_routes, merge, operation_id
from huiyin_chassis.express import ExpressLane, express_routes
from huiyin_chassis.front import Front, owned_segments
from huiyin_chassis.health import Health, health_routes
from huiyin_chassis.idempotency import install_replay
from huiyin_chassis.metrics import METRICS_ROUTE
from huiyin_chassis.problems import FieldError, Refusal, install_problems
from huiyin_chassis.requests import RequestFrame
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Service
from huiyin_chassis.telemetry import is_exporting, telemetry_config

SUITE: Final = "suite"


def create_service_app(service: Service, runtime: Runtime, *, health: Health | None = None) -> FastAPI:
    """Return the app of one service; it starts nothing and has no lifespan: the runtime is the host's to start.

    Without `health` the service counts as started and has no probes.
    """
    app = _bare_app(service.name, problems=service.problems)
    app.state.runtime = runtime
    app.state.keys = KeyRing(runtime.database, admin_sha256=runtime.admin_sha256)
    app.include_router(service.router)
    _add_frame(app, service.name)
    _add_operations(app, {service.name: health or _always_well()})
    return app


def create_suite_app(apps: Mapping[str, FastAPI], *, healths: Mapping[str, Health]) -> ASGIApp:
    """Return one app for several services: a request goes to the service that owns its path.

    Raises RoutesConflict when two services claim the same path.
    """
    shared = _bare_app(SUITE, problems=operations.PROBLEMS | consumers.PROBLEMS)
    _add_frame(shared, SUITE)
    runtimes: dict[str, Runtime] = {name: app.state.runtime for name, app in apps.items()}
    operations.install_dead_letters(shared, {name: each.database for name, each in runtimes.items()})
    consumers.install_consumers(shared, runtimes)
    # Every service knows all keys, so any one's ring will do.
    shared.state.keys = next(app.state.keys for app in apps.values())
    _add_operations(shared, healths, described=(*apps.values(), shared))
    owned = owned_segments([app.state.runtime.service for app in apps.values()])
    return Front({segments: apps[service.name] for segments, service in owned.items()}, shared=shared)


class _App(FastAPI):
    """FastAPI, met only by requests that do not take the express lane: its layers alone cost a request 30 µs."""

    _lane: ExpressLane | None = None

    def open_lane(self, *, service: str) -> None:
        """Let ordinary requests to the marked endpoints of a service's router pass all middlewares."""
        routes = express_routes(self.routes)
        if routes:
            usual = super().__call__
            self._lane = ExpressLane(self, usual=usual, routes=routes, service=service, covered={_enter})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        door = self._lane.door_of(scope) if self._lane is not None else None
        await (door or super().__call__)(scope, receive, send)


def _bare_app(name: str, *, problems: Mapping[type[Exception], int]) -> _App:
    app = _App(
        title=f"Huiyin {name}",
        version=version("huiyin"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
        dependencies=[Depends(_enter)],
        telemetry=telemetry_config(),
    )
    install_problems(app, problems)
    install_replay(app)
    return app


def _add_frame(app: _App, name: str) -> None:
    # The last one added is the outermost.
    app.add_middleware(BodyGuard)
    app.add_middleware(RequestFrame, service=name)
    if not is_exporting():  # FastAPI's spans are made where the lane does not pass
        app.open_lane(service=name)


def _add_operations(
    app: FastAPI, healths: Mapping[str, Health], *, described: Sequence[FastAPI] = ()
) -> None:
    apps = described or (app,)

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            documents = [describe(each) for each in apps]
            app.openapi_schema = merge(documents, title="Huiyin") if described else documents[0]
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents
    app.router.routes.extend([*health_routes(healths), METRICS_ROUTE, *docs_routes(openapi)])


def _always_well() -> Health:
    health = Health()
    health.has_started = True
    return health


async def _enter(request: Request) -> None:
    """Check the caller and the names of query parameters before anything else is opened; one dependency is cheaper."""
    await admit(request.scope)
    if request.scope["query_string"]:
        _check_parameters(request)


def _check_parameters(request: Request) -> None:
    """Refuse query parameters the endpoint does not know: a misspelt filter must not list everything."""
    known = _parameters_of(request.scope.get("route"))
    if known is None:
        return
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        errors = [FieldError(parameter=name[:64], detail="No such parameter.") for name in unknown[:10]]
        raise Refusal(422, "The request has parameters that this resource does not know.", errors=errors)


_PARAMETERS: Final[dict[Callable[..., Any], frozenset[str] | None]] = {}


def _parameters_of(route: object) -> frozenset[str] | None:
    """Return the query parameters of a route, None when the endpoint reads the request by itself."""
    if not isinstance(route, APIRoute):
        return None
    if route.endpoint not in _PARAMETERS:
        _PARAMETERS[route.endpoint] = _read_parameters(route)
    return _PARAMETERS[route.endpoint]


def _read_parameters(route: APIRoute) -> frozenset[str] | None:
    if route.dependant.request_param_name is not None:
        return None
    return frozenset(_query_names(route.dependant))


def _query_names(dependant: Dependant) -> Iterator[str]:
    for parameter in dependant.query_params:
        model = parameter.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (field.alias or name for name, field in model.model_fields.items())
        else:
            yield parameter.alias
    for dependency in dependant.dependencies:
        yield from _query_names(dependency)
