"""One client connection: frames in, answers out in the order of the requests.

Produce requests may overlap, so that several share a commit; every other request waits until those before it are
answered. What a client may make the broker hold is bounded: frame size, requests in flight, time to take an answer, idle time; more
tightly as long as it has not shown the password.
"""

import asyncio
import struct
from collections.abc import Coroutine
from typing import Any, Final

import structlog
from kio.schema.errors import ErrorCode

from huiyin_broker.apis.call import Call, Node, Route, Session
from huiyin_broker.apis.metadata import supported_versions
from huiyin_broker.protocol import Head, MalformedRequest, decode_head, decode_request, encode_response

_IN_FLIGHT: Final = 8
_SLOWEST_TAKER_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 1200.0
_FRAME_SECONDS: Final = 30.0
_STRANGER_SECONDS: Final = 10.0
_STRANGER_BYTES: Final = 65536
_LENGTH: Final = struct.Struct(">i")
_PRODUCE, _API_VERSIONS = 0, 18
log = structlog.get_logger(__name__)

Answering = asyncio.Task[bytes | None]


class RequestRefused(Exception):
    """A request after which the connection cannot go on."""


class Connection:
    """Serves one client until it goes, misbehaves, or the broker stops."""

    def __init__(self, node: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._node = node
        self._reader = reader
        self._writer = writer
        peer = writer.get_extra_info("peername") or ("unknown", 0)
        self._session = Session(str(peer[0]), is_authenticated=node.settings.password is None)
        self._answers: asyncio.Queue[Answering | None] = asyncio.Queue()
        self._slots = asyncio.Semaphore(_IN_FLIGHT)
        self._waiting: set[Answering] = set()
        self._appending: set[Answering] = set()
        self._receiving: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Serve until the client or the broker ends the connection. Raises only CancelledError."""
        self._receiving = asyncio.create_task(self._receive_requests())
        sending = asyncio.create_task(self._send_answers())
        try:
            await asyncio.wait({sending, self._receiving}, return_when=asyncio.FIRST_COMPLETED)
            if self._receiving.cancelled():
                await asyncio.wait({sending}, timeout=self._node.settings.drain.total_seconds())
        finally:
            await self._end(self._receiving, sending)

    def drain(self) -> None:
        """Take no more requests; those in flight are answered, then the connection ends."""
        if self._receiving is not None:
            self._receiving.cancel()

    async def _end(self, *tasks: "asyncio.Task[None]") -> None:
        """Stop what waits; let appends finish, for a client that wants no answer may be gone already."""
        for task in (*tasks, *self._waiting):
            task.cancel()
        outcomes = await asyncio.gather(*tasks, *self._waiting, *self._appending, return_exceptions=True)
        for outcome in set(outcomes):
            self._explain(outcome)
        self._writer.close()

    def _explain(self, outcome: object) -> None:
        if isinstance(outcome, (RequestRefused, MalformedRequest)):
            log.warning("request_refused", client=self._session.client_host, reason=str(outcome))
        elif isinstance(outcome, TimeoutError):
            log.warning("connection_too_slow", client=self._session.client_host)
        elif isinstance(outcome, Exception) and not isinstance(outcome, OSError):
            log.error("connection_failed", client=self._session.client_host, exc_info=outcome)

    async def _receive_requests(self) -> None:
        try:
            while (frame := await self._next_frame()) is not None:
                await self._take(decode_head(frame), frame)
        finally:
            self._answers.put_nowait(None)

    async def _take(self, head: Head, frame: bytes) -> None:
        kind = self._appending
        if head.api_key != _PRODUCE:
            kind = self._waiting
            await self._answers.join()
        await self._slots.acquire()
        answering = asyncio.create_task(self._answer(head, frame))
        kind.add(answering)
        answering.add_done_callback(kind.discard)
        self._answers.put_nowait(answering)

    async def _next_frame(self) -> bytes | None:
        patience, limit = _STRANGER_SECONDS, _STRANGER_BYTES
        if self._session.is_authenticated:
            patience, limit = _IDLE_SECONDS, self._node.settings.max_request_bytes
        try:
            async with asyncio.timeout(patience):
                (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
                if not _LENGTH.size <= length <= limit:
                    raise RequestRefused(f"frame of {length} bytes")
            # Begun is begun: half a request is memory that a client holds.
            async with asyncio.timeout(min(patience, _FRAME_SECONDS)):
                return await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def _send_answers(self) -> None:
        while (answer := await self._answers.get()) is not None:
            frame = await answer
            if frame is not None:
                self._writer.write(frame)
                async with asyncio.timeout(_SLOWEST_TAKER_SECONDS):
                    await self._writer.drain()
            self._answers.task_done()
            self._slots.release()

    def _answer(self, head: Head, frame: bytes) -> Coroutine[Any, Any, bytes | None]:
        route = self._node.routes.get(head.api_key)
        if route is None:
            raise RequestRefused(f"api {head.api_key} is not served")
        if not route.oldest <= head.version <= route.newest:
            return self._refuse_version(head, route)
        if not (self._session.is_authenticated or route.before_authentication):
            raise RequestRefused(f"api {head.api_key} before authentication")
        client_id, body = decode_request(frame, head)
        call = Call(self._node, self._session, head.version, client_id or "", body)
        return self._handle(head, route, call)

    async def _handle(self, head: Head, route: Route, call: Call) -> bytes | None:
        values = await route.handler(call)
        return None if values is None else route.encode(head, values)

    async def _refuse_version(self, head: Head, route: Route) -> bytes:
        """Answer ApiVersions of an unknown version with what there is (KIP-511); refuse others."""
        if route.key != _API_VERSIONS:
            raise RequestRefused(f"api {head.api_key} version {head.version} is not served")
        values = supported_versions(self._node.routes.values(), ErrorCode.unsupported_version)
        return encode_response(Head(head.api_key, 0, head.correlation_id), values)
