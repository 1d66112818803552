"""Request bodies: bounded, timely and checked before any endpoint sees them.

A `GuardedBody` works when an endpoint, or the express lane for it, first asks for its body: by then the route is known, so
that callers without a valid key are refused before a byte is read. `BodyGuard` gives one to all that the lane leaves. Source: RFC 9110 §15.5 (status codes).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message as MimeHeader
from typing import Any, Final, NoReturn, TypeVar

from fastapi import params
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from huiyin_chassis.auth import admit
from huiyin_chassis.headers import header_of
from huiyin_chassis.problems import Refusal
from huiyin_chassis.strictjson import check_json

KIB: Final = 1024
MIB: Final = 1024 * KIB
DEFAULT_MAX_BYTES: Final = 256 * KIB
BODY_SECONDS: Final = 30.0
"""A body that has not arrived by then is not coming: slow senders must not hold connections."""
CAME_WHOLE: Final = "huiyin.came_whole"
"""In the scope of a request whose body was there before its endpoint: nobody needs to wait for it."""

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class BodyRule:
    """What an endpoint takes: at most `max_bytes`, and JSON or anything."""

    max_bytes: int = DEFAULT_MAX_BYTES
    is_json: bool = False


def takes_json(*, max_bytes: int = DEFAULT_MAX_BYTES) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint as one that takes JSON of at most this size; needed for other sizes and for plain routes."""
    return _ruled(BodyRule(max_bytes, is_json=True))


def _ruled(rule: BodyRule) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.body_rule = rule  # type: ignore[attr-defined]  # functions carry attributes
        return endpoint

    return mark


class NoDocument(Exception):
    """A request whose endpoint takes JSON brought none, or its sender has gone."""


class BodyGuard:
    """ASGI middleware that hands endpoints only bodies that keep their rule, and only to callers with a valid key.

    Refusals are raised where the endpoint reads, and become problems like any other.
    """

    def __init__(self, app: ASGIApp, *, body_seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with its body guarded."""
        if scope["type"] != "http" or not has_body(scope):
            await self.app(scope, receive, send)
            return
        await self.app(scope, GuardedBody(scope, receive, self.body_seconds), send)


def has_body(scope: Scope) -> bool:
    """Tell whether a request says that it has a body."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


class GuardedBody:
    """The `receive` of one request; endpoints that take JSON can have the checked document instead.

    `rule` is the endpoint's, where that is known before its route is in the scope.
    """

    __slots__ = ("_body_seconds", "_known_rule", "_receive", "_received_bytes", "_rule", "_scope", "_whole")

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        body_seconds: float = BODY_SECONDS,
        *,
        rule: BodyRule | None = None,
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._body_seconds = body_seconds
        self._known_rule = rule
        self._rule: BodyRule | None = None
        self._received_bytes = 0
        self._whole: Message | None = None

    async def document(self) -> Any:
        """Return the JSON document; the body can be received all the same afterwards.

        Raises what receiving raises, and NoDocument when the body is empty or its sender has gone.
        """
        self._rule = await self._admit()
        self._whole, document = await self._whole_json(self._rule)
        if not self._whole.get("body"):
            raise NoDocument
        return document

    async def __call__(self) -> Message:
        """Return the next message of the body: the whole checked document for JSON, else what comes."""
        if self._whole is not None:
            whole, self._whole = self._whole, None
            return whole
        if self._rule is None:
            self._rule = await self._admit()
            if self._rule.is_json:
                whole, _ = await self._whole_json(self._rule)
                return whole
        return await self._next(self._rule)

    async def _admit(self) -> BodyRule:
        scope = self._scope
        await admit(scope)
        rule = self._known_rule or rule_of(scope.get("route"), scope.get("endpoint"))
        encoding = header_of(scope, b"content-encoding")
        if encoding is not None and encoding.lower() != "identity":
            raise Refusal(415, "Compressed bodies are not taken.", headers={"Accept-Encoding": "identity"})
        declared = header_of(scope, b"content-length") or "0"
        if declared.isdecimal() and int(declared[:20]) > rule.max_bytes:
            _refuse_size(rule)
        if rule.is_json:
            _check_media_type(header_of(scope, b"content-type"))
        return rule

    async def _whole_json(self, rule: BodyRule) -> tuple[Message, Any]:
        deadline = asyncio.get_running_loop().time() + self._body_seconds
        message = await self._next(rule, deadline=deadline)
        if message.get("more_body", False):
            message = await self._joined(message, rule, deadline)
        if message["type"] != "http.request":
            return message, None
        body = message.get("body", b"")
        document = check_json(body) if body else None
        return {"type": "http.request", "body": body, "more_body": False}, document

    async def _joined(self, first: Message, rule: BodyRule, deadline: float) -> Message:
        """Return a message with the whole of a body that comes in parts."""
        chunks, message = [first.get("body", b"")], first
        while message.get("more_body", False):
            message = await self._next(rule, deadline=deadline)
            if message["type"] != "http.request":
                return message
            chunks.append(message.get("body", b""))
        return {"type": "http.request", "body": b"".join(chunks)}

    async def _next(self, rule: BodyRule, *, deadline: float | None = None) -> Message:
        if CAME_WHOLE in self._scope:
            message = await self._receive()
        else:
            message = await self._in_time(deadline)
        self._received_bytes += len(message.get("body", b""))
        if self._received_bytes > rule.max_bytes:
            _refuse_size(rule)
        return message

    async def _in_time(self, deadline: float | None) -> Message:
        until = deadline or asyncio.get_running_loop().time() + self._body_seconds
        try:
            async with asyncio.timeout_at(until):
                return await self._receive()
        except TimeoutError:
            headers = {"Connection": "close"}
            raise Refusal(408, "The body did not arrive in time.", headers=headers) from None


def rule_of(route: object, endpoint: object) -> BodyRule:
    """Return the rule for the body of a route's requests."""
    rule: BodyRule | None = getattr(endpoint, "body_rule", None)
    if rule is not None:
        return rule
    field = getattr(route, "body_field", None)
    return BodyRule(is_json=field is not None and not isinstance(field.field_info, params.Form))


def _refuse_size(rule: BodyRule) -> NoReturn:
    detail = f"The body is larger than the {rule.max_bytes} bytes that this resource takes."
    raise Refusal(413, detail, members={"max_bytes": rule.max_bytes})


def _check_media_type(content_type: str | None) -> None:
    if content_type == "application/json":
        return
    header = MimeHeader()
    header["content-type"] = content_type or "application/octet-stream"
    kind = header.get_content_type()
    is_json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    charset = header.get_content_charset("utf-8")
    if not is_json or charset not in ("utf-8", "us-ascii"):
        raise Refusal(415, "Send application/json in UTF-8.", headers={"Accept": "application/json"})
