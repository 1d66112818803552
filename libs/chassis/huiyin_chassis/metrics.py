"""The chassis's Prometheus metrics: each declared here, once, with its unit and meaning.

`/metrics` needs no key: it tells counts and times, never what customers wrote, and scrapers rarely carry keys. Keep the
port private, as the default address does, or let a proxy guard the path. Labels are bounded: routes are templates, and
what matches no route counts as one.
"""

from typing import Final

from prometheus_client import (
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

NO_ROUTE: Final = "(none)"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# The time at which each series began doubles the answer and nobody asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

REQUEST_SECONDS: Final = Histogram(
    "huiyin_http_request_seconds",
    "Time from the request's head to the end of its answer, in seconds.",
    ["service", "method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
IN_FLIGHT: Final = Gauge("huiyin_http_requests_in_flight", "Requests being answered now.", ["service"])
REJECTED: Final = Counter(
    "huiyin_http_rejected_total",
    "Answers with status 400 and above, by problem slug; service `http` is what a connection refused by itself.",
    ["service", "problem"],
)
ACCEPTING: Final = Gauge(
    "huiyin_accepting",
    "1 while the service takes new work in, 0 while its outbox or disk is full.",
    ["service"],
)

LOOP_LAG_SECONDS: Final = Histogram(
    "huiyin_loop_lag_seconds",
    "How much later than asked the event loop came back, looked at four times a second, in seconds.",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def route_of(scope: Scope) -> str:
    """Return the template of the route that a request came to, such as `/v1/tickets/{ticket_id}`.

    Plain routes leave no template behind and are named after their function, such as `(readyz)`.
    """
    template: str | None = getattr(scope.get("route"), "path", None)
    if template is not None:
        return template
    name: str | None = getattr(scope.get("endpoint"), "__name__", None)
    return NO_ROUTE if name is None else f"({name})"


def method_of(scope: Scope) -> str:
    """Return the method, or `other` for one that HTTP does not define: clients must not invent labels."""
    return scope["method"] if scope["method"] in _METHODS else "other"


async def _metrics(_request: Request) -> Response:
    # It brings an HTTP server and client along, and no start should wait for them.
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415

    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


METRICS_ROUTE: Final = Route("/metrics", _metrics, include_in_schema=False)
"""All metrics of the process, for all services in it."""
