"""What every request gets around it: a trace, an id in the log, security headers, a count, and a last resort.

One plain ASGI middleware, the outermost: Starlette's `BaseHTTPMiddleware` costs a task and a stream per request.
"""

from time import perf_counter
from typing import Final

import structlog
from prometheus_client import Histogram
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from huiyin_chassis import metrics
from huiyin_chassis.headers import header_of
from huiyin_chassis.problems import PROBLEM_SLUG, internal_error, malformed_address, unavailable
from huiyin_chassis.telemetry import request_traceparent, trace_id
from huiyin_eventbus.failures import is_infrastructure
from huiyin_eventbus.tracing import traced

log = structlog.get_logger()

# OWASP REST Security Cheat Sheet. No CORS header ever: browsers of other origins get nothing.
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_DEFAULT_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class RequestFrame:
    """ASGI middleware around all of a service's requests."""

    def __init__(self, app: ASGIApp, *, service: str) -> None:
        self.app = app
        self.service = service
        self._in_flight = metrics.IN_FLIGHT.labels(service)
        self._observers: dict[tuple[str, ...], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request within its trace."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # Whatever can be got can be asked for its head (RFC 9110 §9.3.2); FastAPI routes know GET only.
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        started_at = perf_counter()
        answer = _Answer(send)
        self._in_flight.inc()
        try:
            with traced(request_traceparent(header_of(scope, b"traceparent"))):
                await self._answered(scope, receive, answer)
                self._count(scope, answer, seconds=perf_counter() - started_at)
        finally:
            self._in_flight.dec()

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            if _has_nul(scope):
                await malformed_address(scope["path"])(scope, receive, answer)
            else:
                await self.app(scope, receive, answer)
        except Exception as error:
            # The last door before the server: whatever nobody foresaw is logged here and told to nobody.
            last_resort = _last_resort(scope, error)
            if answer.status is not None:
                raise
            await last_resort(scope, receive, answer)

    def _count(self, scope: Scope, answer: "_Answer", *, seconds: float) -> None:
        status = str(answer.status or 499)  # 499: the caller left before the answer, as nginx counts it
        labels = (self.service, metrics.method_of(scope), metrics.route_of(scope), status)
        observer = self._observers.get(labels)
        if observer is None:
            observer = self._observers[labels] = metrics.REQUEST_SECONDS.labels(*labels)
        observer.observe(seconds)
        if answer.problem is not None:
            metrics.REJECTED.labels(self.service, answer.problem).inc()
        log.debug(
            "request_answered", method=labels[1], route=labels[2], status=answer.status, seconds=seconds
        )


def _last_resort(scope: Scope, error: Exception) -> Response:
    path = Request(scope).url.path
    # Drivers' own errors come here: SQLAlchemy lets those through that are raised while it connects.
    if is_infrastructure(error):
        log.warning("database_out_of_reach", error=type(error).__name__)
        return unavailable(path)
    log.error("request_failed", method=scope["method"], route=metrics.route_of(scope), exc_info=error)
    return internal_error(path)


class _Answer:
    """The `send` of one request: adds headers that the endpoint did not set, and remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.problem: str | None = None

    async def __call__(self, message: Message) -> None:
        """Send a message on, the first one with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers(list(message.get("headers", ())))
        await self._send(message)

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        names = {name for name, _ in headers}
        for name, value in headers:
            if name == PROBLEM_SLUG:
                self.problem = value.decode()
        headers = [header for header in headers if header[0] != PROBLEM_SLUG]
        headers.extend(SECURITY_HEADERS)
        headers.extend(header for header in _DEFAULT_HEADERS if header[0] not in names)
        headers.append((b"x-trace-id", trace_id().encode()))
        return headers


def _has_nul(scope: Scope) -> bool:
    """Tell whether path or query hold a NUL, which nothing here is named by and PostgreSQL's texts cannot hold."""
    return "\x00" in scope["path"] or b"%00" in scope["query_string"] or b"\x00" in scope["query_string"]


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head
