"""One port for many services: picks the app that owns a path by the path's first two segments.

Each service's app is the same here as alone; what is asked of all of them together (health, metrics, documents, dead
letters, consumers) has an app of its own, and so has every path that nobody owns.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Receive, Scope, Send

from huiyin_chassis.errors import RoutesConflict, RouteUnowned
from huiyin_chassis.service import Service

Segments = tuple[str, ...]
SHARED: Final[Mapping[Segments, str]] = {
    ("v1", "consumers"): "the suite",
    ("v1", "dead-letters"): "the suite",
}
"""What all services answer together; no service may take it."""


class Front:
    """An ASGI application that hands each request to the app of the service that owns its path."""

    def __init__(self, owners: Mapping[Segments, ASGIApp], *, shared: ASGIApp) -> None:
        self._owners = owners
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; what is no HTTP request goes to the shared app."""
        path: str = scope.get("path", "")
        app = self._owners.get(tuple(path.split("/", 3)[1:3]), self._shared)
        await app(scope, receive, send)


def owned_segments(services: Iterable[Service]) -> dict[Segments, Service]:
    """Return which service owns which first two path segments.

    Raises RoutesConflict when two services, or a service and the suite, claim the same; RouteUnowned when a route
    has a parameter, or nothing, where the service's own segment should be.
    """
    owned: dict[Segments, Service] = {}
    for service in services:
        for path in _paths(service.router):
            segments = tuple(path.split("/", 3)[1:3])
            if len(segments) < len(("v1", "tickets")) or not segments[1] or "{" in "".join(segments):
                raise RouteUnowned(path, service=service.name)
            owner = SHARED.get(segments) or owned.setdefault(segments, service).name
            if owner != service.name:
                raise RoutesConflict(path, services=(owner, service.name))
    return owned


def _paths(router: APIRouter) -> Sequence[str]:
    return [found.path or "" for found in iter_route_contexts(router.routes)]
