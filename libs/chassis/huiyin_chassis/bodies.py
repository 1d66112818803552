"""Request bodies: one bounded pass before any validation, so that nothing hostile reaches a model or a table.

`check_json` is the pass; `BodyGuard` gives it to every endpoint without code. The guard works when an endpoint first
asks for its body: by then the route is known, so that callers without a valid key are refused before a byte is read.
Sources: RFC 8259 (JSON), RFC 7493 (I-JSON: no duplicate names, no lone surrogates), RFC 9110 §15.5 (status codes).
"""

import asyncio
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message as MimeHeader
from typing import Any, Final, NoReturn, TypeVar

from fastapi import params
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from huiyin_chassis.auth import admit
from huiyin_chassis.problems import FieldError, Refusal, pointer

KIB: Final = 1024
MIB: Final = 1024 * KIB
DEFAULT_MAX_BYTES: Final = 256 * KIB
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 250_000
"""Bounds the work per body: eight MiB of commas would be four million values. Commas in texts count too."""
BODY_SECONDS: Final = 30.0
"""A body that has not arrived by then is not coming: slow senders must not hold connections."""
_MAX_ERRORS: Final = 10
_INT64: Final = range(-(2**63), 2**63)
_INT64_CHARS: Final = 20

_QUOTED: Final = re.compile(rb'"[^"]*"')
_NOT_STRUCTURE: Final = bytes(set(range(256)) - set(b'"[]{}'))
_BRACKETS_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_DIGITS_ALIKE: Final = bytes.maketrans(b"123456789E", b"000000000e")
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_PAIR: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]")
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class BodyRule:
    """What an endpoint takes: at most `max_bytes`, and JSON or anything."""

    max_bytes: int = DEFAULT_MAX_BYTES
    is_json: bool = False


def takes_json(*, max_bytes: int = DEFAULT_MAX_BYTES) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint as one that takes JSON of at most this size; needed for other sizes and for plain routes."""
    return _ruled(BodyRule(max_bytes, is_json=True))


def takes_bytes(*, max_bytes: int) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint as one that reads the request's bytes itself, such as an upload or a channel's push."""
    return _ruled(BodyRule(max_bytes))


def _ruled(rule: BodyRule) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.body_rule = rule  # type: ignore[attr-defined]  # functions carry attributes
        return endpoint

    return mark


class _Wrong:
    """Stands in the parsed document for a value that was refused."""

    def __init__(self, detail: str) -> None:
        self.detail = detail


class _Repeated(dict[str, Any]):
    """An object that has a name twice."""

    name: str


class _Hooks:
    """The parser's hooks; `found_wrong` tells that the document must be walked."""

    def __init__(self) -> None:
        self.found_wrong = False

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        self.found_wrong = True
        seen: set[str] = set()
        repeated = _Repeated(members)
        repeated.name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        return repeated

    def integer(self, digits: str) -> int | _Wrong:
        # Longer ones are not converted at all: int() is quadratic and refuses beyond 4,300 digits.
        if len(digits) <= _INT64_CHARS and (number := int(digits)) in _INT64:
            return number
        return self._wrong("The number does not fit into 64 bits.")

    def decimal(self, digits: str) -> float | _Wrong:
        number = float(digits)
        return number if math.isfinite(number) else self._wrong("The number is too large.")

    def constant(self, name: str) -> _Wrong:
        return self._wrong(f"{name} is not a JSON number.")

    def _wrong(self, detail: str) -> _Wrong:
        self.found_wrong = True
        return _Wrong(detail)


def check_json(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """Return the document in a body.

    Raises a 400 Refusal for what is not JSON in UTF-8, and a 422 Refusal with pointers for what is JSON but unfit:
    nested deeper than `max_depth`, a name twice in an object, NUL or lone surrogates, numbers beyond 64 bits, NaN.
    """
    hooks = _Hooks()
    _check_size_of_structure(body)
    watched = _has_long_numbers(body)
    try:
        document = json.loads(
            body.decode(),
            object_pairs_hook=hooks.members,
            parse_constant=hooks.constant,
            # Without a hook the parser converts numbers in C.
            parse_int=hooks.integer if watched else None,
            parse_float=hooks.decimal if watched else None,
        )
    except UnicodeDecodeError as error:
        raise Refusal(400, f"The body is not UTF-8 at byte {error.start}.", slug="malformed-json") from None
    except json.JSONDecodeError as error:
        detail = f"The body is not JSON at line {error.lineno}, column {error.colno}: {error.msg}."
        raise Refusal(400, detail, slug="malformed-json") from None
    except RecursionError:
        _refuse([FieldError(pointer="#", detail=f"Nested deeper than {max_depth} levels.")])
    if hooks.found_wrong or is_deeper_than(max_depth, body) or _may_be_unstorable(body):
        errors = [
            error for _, error in zip(range(_MAX_ERRORS), _errors_in(document, max_depth), strict=False)
        ]
        if errors:
            _refuse(errors)
    return document


def is_deeper_than(max_depth: int, body: bytes) -> bool:
    """Tell whether a well-formed document nests deeper, in a few passes over its bytes and without parsing."""
    if body.count(b"[") + body.count(b"{") <= max_depth:
        return False
    if b"\\" in body:
        # Escaped backslashes first: what precedes a quote after that escapes it.
        body = body.replace(rb"\\", b"").replace(rb"\"", b"")
    brackets = _QUOTED.sub(b"", body.translate(_BRACKETS_ALIKE, _NOT_STRUCTURE))
    for _ in range(max_depth):
        if not brackets:
            return False
        # Each round takes away the innermost level.
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _has_long_numbers(body: bytes) -> bool:
    alike = body.translate(_DIGITS_ALIKE)
    return b"0" * 19 in alike or b"e000" in alike or b"e+000" in alike


def _may_be_unstorable(body: bytes) -> bool:
    # Valid JSON holds NUL and lone surrogates only as escapes; an escaped backslash before `u` is a false alarm that
    # the walk over the document settles.
    if rb"\u" not in body:
        return False
    if rb"\u0000" in body:
        return True
    return bool(_SURROGATE.search(body)) and bool(_SURROGATE.search(_PAIR.sub(b"", body)))


def _check_size_of_structure(body: bytes) -> None:
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        _refuse([FieldError(pointer="#", detail=f"More than {MAX_VALUES} values.")])


def _refuse(errors: list[FieldError]) -> NoReturn:
    raise Refusal(422, "The JSON in the body cannot be taken; see errors.", slug="unfit-json", errors=errors)


def _errors_in(document: object, max_depth: int) -> Iterator[FieldError]:
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        detail = _fault(value, path, max_depth)
        if detail is not None:
            yield FieldError(pointer=pointer(path), detail=detail)
        elif isinstance(value, list):
            waiting.extend(((*path, index), item) for index, item in enumerate(value) if _may_be_wrong(item))
        elif isinstance(value, dict):
            waiting.extend(((*path, name), item) for name, item in value.items() if _may_be_wrong(item))


def _may_be_wrong(value: object) -> bool:
    return isinstance(value, str | list | dict | _Wrong)


def _fault(value: object, path: tuple[str | int, ...], max_depth: int) -> str | None:
    if isinstance(value, _Wrong):
        return value.detail
    if isinstance(value, str):
        return "NUL and lone surrogates cannot be stored." if _UNSTORABLE.search(value) else None
    if isinstance(value, list | dict) and len(path) >= max_depth:
        return f"Nested deeper than {max_depth} levels."
    if isinstance(value, _Repeated):
        return f"The name {_shown(value.name)} stands twice in this object."
    if isinstance(value, dict) and any(_UNSTORABLE.search(name) for name in value):
        return "A name holds NUL or a lone surrogate."
    return None


def _shown(name: str) -> str:
    return json.dumps(name[:64], ensure_ascii=True)


class BodyGuard:
    """ASGI middleware that hands endpoints only bodies that keep their rule, and only to callers with a valid key.

    Refusals are raised where the endpoint reads, and become problems like any other.
    """

    def __init__(self, app: ASGIApp, *, body_seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with its body guarded."""
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        await self.app(scope, _GuardedBody(scope, receive, self.body_seconds), send)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


class _GuardedBody:
    """The `receive` of one request."""

    def __init__(self, scope: Scope, receive: Receive, body_seconds: float) -> None:
        self._scope = scope
        self._receive = receive
        self._body_seconds = body_seconds
        self._rule: BodyRule | None = None
        self._received_bytes = 0

    async def __call__(self) -> Message:
        """Return the next message of the body: the whole checked document for JSON, else what comes."""
        if self._rule is None:
            self._rule = await self._admit()
            if self._rule.is_json:
                return await self._whole_json(self._rule)
        return await self._next(self._rule)

    async def _admit(self) -> BodyRule:
        request = Request(self._scope)
        await admit(request)
        rule = _rule_of(self._scope)
        headers = request.headers
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal(415, "Compressed bodies are not taken.", headers={"Accept-Encoding": "identity"})
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared[:20]) > rule.max_bytes:
            _refuse_size(rule)
        if rule.is_json:
            _check_media_type(headers.get("content-type"))
        return rule

    async def _whole_json(self, rule: BodyRule) -> Message:
        chunks: list[bytes] = []
        more_body = True
        deadline = asyncio.get_running_loop().time() + self._body_seconds
        while more_body:
            message = await self._next(rule, deadline=deadline)
            if message["type"] != "http.request":
                return message
            chunks.append(message.get("body", b""))
            more_body = message.get("more_body", False)
        body = b"".join(chunks)
        if body:
            self._scope.setdefault("state", {})["json_document"] = check_json(body)
        return {"type": "http.request", "body": body, "more_body": False}

    async def _next(self, rule: BodyRule, *, deadline: float | None = None) -> Message:
        until = deadline or asyncio.get_running_loop().time() + self._body_seconds
        try:
            async with asyncio.timeout_at(until):
                message = await self._receive()
        except TimeoutError:
            headers = {"Connection": "close"}
            raise Refusal(408, "The body did not arrive in time.", headers=headers) from None
        self._received_bytes += len(message.get("body", b""))
        if self._received_bytes > rule.max_bytes:
            _refuse_size(rule)
        return message


def checked_document(request: Request) -> Any:
    """Return the JSON document that the guard parsed, for routes that read the body themselves; first await the body."""
    return request.state.json_document


def _rule_of(scope: Mapping[str, Any]) -> BodyRule:
    rule: BodyRule | None = getattr(scope.get("endpoint"), "body_rule", None)
    if rule is not None:
        return rule
    field = getattr(scope.get("route"), "body_field", None)
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
