"""What every request gets around it: a trace, an id in the log, security headers, a count, and a last resort.

One plain ASGI middleware, the outermost; requests of the express lane get the same without passing it. Starlette's `BaseHTTPMiddleware` costs a task and a stream per request.
"""

from abc import ABC, abstractmethod
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
DEFAULT_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class AnswerSender(ABC):
    """A `send` that can also take a whole answer at once, which is cheaper than its messages."""

    __slots__ = ()

    @abstractmethod
    async def __call__(self, message: Message) -> None:
        """Send one message."""

    @abstractmethod
    def send_whole(self, status: int, head: bytes, body: bytes) -> bool:
        """Send an answer whose head is the lines of its header fields; false when it must go by messages.

        True as well when the client has gone: then there is nobody to send it to.
        """


class RequestFrame:
    """ASGI middleware around all of a service's requests; `in_flight` counts those that are being answered."""

    def __init__(self, app: ASGIApp, *, service: str) -> None:
        self.app = app
        self.service = service
        self.in_flight = metrics.IN_FLIGHT.labels(service)
        self._observers: dict[tuple[str, str, int], Histogram] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request within its trace."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # Whatever can be got can be asked for its head (RFC 9110 §9.3.2); FastAPI routes know GET only.
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        started_at = perf_counter()
        self.in_flight.inc()
        try:
            with traced(request_traceparent(header_of(scope, b"traceparent"))):
                await self.answer(self.app, scope, receive, send, started_at=started_at)
        finally:
            self.in_flight.dec()

    async def answer(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, started_at: float
    ) -> None:
        """Let an app answer within the trace in progress, and count the answer; its failures are answered too."""
        answer = _Answer(send)
        await _answered(app, scope, receive, answer)
        # 499: the caller left before the answer, as nginx counts it
        self.count(scope, answer.status or 499, started_at=started_at)
        if answer.problem is not None:
            metrics.REJECTED.labels(self.service, answer.problem).inc()

    def count(self, scope: Scope, status: int, *, started_at: float) -> None:
        """Count an answer by its method, route and status."""
        seconds = perf_counter() - started_at
        labels = metrics.method_of(scope), metrics.route_of(scope), status
        observer = self._observers.get(labels)
        if observer is None:
            method, route, _ = labels
            observer = metrics.REQUEST_SECONDS.labels(self.service, method, route, str(status))
            self._observers[labels] = observer
        observer.observe(seconds)
        log.debug("request_answered", method=labels[0], route=labels[1], status=status, seconds=seconds)


async def _answered(app: ASGIApp, scope: Scope, receive: Receive, answer: "_Answer") -> None:
    try:
        if _has_nul(scope):
            await malformed_address(scope["path"])(scope, receive, answer)
        else:
            await app(scope, receive, answer)
    except Exception as error:
        # The last door before the server: whatever nobody foresaw is logged here and told to nobody.
        last_resort = _last_resort(scope, error)
        if answer.status is not None:
            raise
        await last_resort(scope, receive, answer)


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
        headers.extend(header for header in DEFAULT_HEADERS if header[0] not in names)
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
