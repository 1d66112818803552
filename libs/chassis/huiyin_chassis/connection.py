"""One HTTP connection: what it may send and how long it may take, before any application sees it.

uvicorn's protocol with the bounds that it leaves to a proxy: the head of a request in size, count and time, answers
that nobody reads, bodies that nobody wanted, and framings on which two servers could disagree (RFC 9112 §11.2). What
is refused here is a problem document like any other, and ends the connection.
"""

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from huiyin_chassis import metrics
from huiyin_chassis.bodies import CAME_WHOLE, KIB, MIB
from huiyin_chassis.joined import JoinedWrites
from huiyin_chassis.problems import PROBLEM_SLUG, RETRY_AFTER_SECONDS, problem_response, slug_of_status
from huiyin_chassis.requests import SECURITY_HEADERS, AnswerSender
from huiyin_eventbus.tracing import new_traceparent, traced

_DOOR: Final = "http"
_ONLY_ONCE: Final = {
    b"host": "Send exactly one Host (RFC 9112 §3.2).",
    b"authorization": "Send one Authorization.",
    b"idempotency-key": "Send one Idempotency-Key.",
}
"""Headers of which a request may have one, and what is said to one that has more: which of two holds is not ours to guess."""
_UNKNOWN_METHOD: Final = re.compile(rb"[A-Z][A-Z-]* [/*h]")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client may have; spans are wall time of the event loop.

    `head` is for a request's head from its first byte on, and for a new connection to send one; `reading` for an
    answer to be taken once it fills the buffer; `lingering` for a body that was refused to end.
    """

    connections: int = 4096
    head_bytes: int = 32 * KIB
    headers: int = 100
    url_bytes: int = 16 * KIB
    pipelined: int = 32
    head: timedelta = timedelta(seconds=10)
    reading: timedelta = timedelta(seconds=30)
    lingering: timedelta = timedelta(seconds=2)
    lingering_bytes: int = 16 * MIB


class _HeadRefused(Exception):
    """The head of a request breaks a rule; the parser carries it out of its callbacks."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class HttpConnection(HttpToolsProtocol):
    """Serves one client; make a subclass with other `limits` to change them."""

    limits: Limits = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fed_bytes = 0
        self._head_bytes = 0
        """What came of an unfinished head after the chunk it began in, which may hold much else."""
        self._is_in_head = False
        self._is_new_head = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._reading_timer: asyncio.TimerHandle | None = None
        self._is_parting = False
        self._unwanted_bytes: int | None = None
        """How much came after an answer that did not wait for its request's body; None while all is wanted."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take the connection, or turn it away when there are too many."""
        super().connection_made(transport)
        self._joined = JoinedWrites(transport, self.loop)
        self.transport = cast("asyncio.Transport", self._joined)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "There are too many connections; try again in a moment.")
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection's timers."""
        self._unset_timers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what it cannot read is refused, whatever a request has become of it."""
        self._unset_keepalive_if_required()
        if self._unwanted_bytes is not None:
            self._discard(data)
            return
        self._fed_bytes = len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # An upgrade may be ignored (RFC 9110 §7.8), but what follows is of an unknown protocol.
            self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            self._refuse_unreadable(error, data)
            return
        if self._is_in_head:
            self._go_on_with_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_in_head = self._is_new_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Check the head and begin to answer. Raises what the parser turns into its own error."""
        self._is_in_head = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._check_head()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Go on to the next request, unless this one was answered before it had come whole."""
        self._joined.flush()
        if not self._is_parting or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self._linger()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            # By now most requests have come whole; the others may be answered before they have.
            if cycle.more_body:
                send = self._parting(cycle, send)
            else:
                scope[CAME_WHOLE] = True
                send = _CycleSender(cycle, self._joined)
            await app(scope, receive, send)

        super()._start_asgi_task(cycle, answer)

    def _parting(self, cycle: RequestResponseCycle, send: Any) -> Any:
        """Return a `send` that says goodbye with an answer whose request is still coming: it will not be read."""

        async def send_parting(message: Any) -> None:
            is_parting = message["type"] == "http.response.start" and cycle.more_body
            if is_parting:
                cycle.keep_alive = False
            await send(message)
            if is_parting:
                # The cycle would close at once, and a reset could take the answer from a client that is sending.
                self._is_parting = cycle.keep_alive = True

        return send_parting

    def pause_writing(self) -> None:
        """Stop writing, and give the client a while to take what it was sent."""
        super().pause_writing()
        self._reading_timer = self.loop.call_later(self.limits.reading.total_seconds(), self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        if self._reading_timer is not None:
            self._reading_timer.cancel()
            self._reading_timer = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, even one that leaves its last answer unread."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
            return
        super().timeout_keep_alive_handler()

    def _check_head(self) -> None:
        """Raise _HeadRefused for a head that is too large or that two servers could read in two ways."""
        if self.parser.get_http_version() not in {"1.1", "1.0"}:
            raise _HeadRefused(505, "Send HTTP/1.1.")
        if len(self.url) > self.limits.url_bytes:
            raise _HeadRefused(414, "The address is too long.")
        if len(self.headers) > self.limits.headers:
            raise _HeadRefused(431, "There are too many header fields.")
        # The exact count only where all that came with the head could be too much.
        may_be_large = self._head_bytes + self._fed_bytes > self.limits.head_bytes
        if may_be_large and self._exact_head_bytes() > self.limits.head_bytes:
            raise _HeadRefused(431, "The head of the request is too large.")
        if len(self.pipeline) >= self.limits.pipelined:
            raise _HeadRefused(400, "Too many requests were sent without waiting for an answer.")
        self._check_framing()

    def _check_framing(self) -> None:
        is_old = self.parser.get_http_version() == "1.0"
        seen: set[bytes] = set()
        for name, value in self.headers:
            if name in seen:
                raise _HeadRefused(400, _ONLY_ONCE[name])
            if name in _ONLY_ONCE:
                seen.add(name)
            elif name == b"transfer-encoding":
                if is_old:
                    raise _HeadRefused(400, "HTTP/1.0 knows no Transfer-Encoding.")
                if value.lower() != b"chunked":
                    raise _HeadRefused(501, "No transfer coding but chunked is known.")
        if not is_old and b"host" not in seen:
            raise _HeadRefused(400, _ONLY_ONCE[b"host"])

    def _exact_head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)

    def _go_on_with_head(self) -> None:
        if not self._is_new_head:
            self._head_bytes += self._fed_bytes
        self._is_new_head = False
        if self._head_bytes > self.limits.head_bytes:
            self._refuse_or_hang_up(431, "The head of the request is too large.")
        else:
            self._await_head()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head.total_seconds(), self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._is_in_head:
            self._refuse_or_hang_up(408, "The head of the request did not arrive in time.")
        elif self._cycle() is None:
            self.transport.close()

    def _linger(self) -> None:
        """End the connection once the client has heard: closed while it sends, it would lose its answer to a reset."""
        self._unwanted_bytes = 0
        self._unset_timers()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._head_timer = self.loop.call_later(self.limits.lingering.total_seconds(), self.transport.abort)

    def _discard(self, data: bytes) -> None:
        assert self._unwanted_bytes is not None  # noqa: S101  # asked before the call
        self._unwanted_bytes += len(data)
        if self._unwanted_bytes > self.limits.lingering_bytes:
            self.transport.abort()

    def _refuse_unreadable(self, error: Exception, data: bytes) -> None:
        cause = error.__context__
        if isinstance(cause, _HeadRefused):
            self._refuse_or_hang_up(cause.status, cause.detail)
        elif isinstance(error, httptools.HttpParserInvalidMethodError) and _UNKNOWN_METHOD.match(data):
            self._refuse_or_hang_up(501, "This server does not know that method.")
        else:
            self._refuse_or_hang_up(400, "The request cannot be read as HTTP/1.1.")

    def _refuse_or_hang_up(self, status: int, detail: str) -> None:
        """Refuse, unless a request before this one is being answered: its answer must not be taken for another's."""
        cycle = self._cycle()
        if cycle is None or cycle.response_complete:
            self._refuse(status, detail)
        elif cycle.more_body and not cycle.response_started and not self.pipeline:
            # The body of the request in progress is broken: its endpoint is told that the client has gone.
            cycle.disconnected = True
            cycle.message_event.set()
            self._refuse(status, detail)
        else:
            cycle.keep_alive = False
            self.flow.pause_reading()

    def _refuse(self, status: int, detail: str) -> None:
        metrics.REJECTED.labels(_DOOR, slug_of_status(status)).inc()
        log.info("connection_refused", status=status, detail=detail)
        self.transport.write(_document(status, detail))
        self._linger()

    def _cycle(self) -> RequestResponseCycle | None:
        # uvicorn declares it without the None that it is before the first request.
        return cast("RequestResponseCycle | None", self.cycle)

    def _unset_timers(self) -> None:
        for timer in (self._head_timer, self._reading_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._reading_timer = None


class _CycleSender(AnswerSender):
    """The `send` of a request that has come whole; can take a whole answer in one go."""

    __slots__ = ("_cycle", "_transport")

    def __init__(self, cycle: RequestResponseCycle, transport: JoinedWrites) -> None:
        self._cycle = cycle
        self._transport = transport

    async def __call__(self, message: Any) -> None:
        """Send one message."""
        await self._cycle.send(message)

    def send_whole(self, status: int, head: bytes, body: bytes) -> bool:
        """Send what the two messages would, in one write; false while the client does not read, true when it has gone."""
        cycle = self._cycle
        if cycle.flow.write_paused:
            return False
        if cycle.disconnected:
            return True
        parts = [STATUS_LINE[status]]
        parts += [b"%s: %s\r\n" % field for field in cycle.default_headers]
        parts += (head, b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self._transport.write_now(b"".join(parts))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True


def limited(limits: Limits) -> type[HttpConnection]:
    """Return a connection class with these limits."""
    return type("LimitedHttpConnection", (HttpConnection,), {"limits": limits})


def _document(status: int, detail: str) -> bytes:
    """Return a whole answer that ends its connection: a problem that belongs to no resource."""
    later = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    with traced(new_traceparent()):
        response = problem_response("", status=status, detail=detail, headers=later)
    head = [STATUS_LINE[status], b"connection: close\r\n"]
    headers = (*response.raw_headers, *SECURITY_HEADERS)
    head += [b"%s: %s\r\n" % header for header in headers if header[0] != PROBLEM_SLUG]
    return b"".join((*head, b"\r\n", bytes(response.body)))
