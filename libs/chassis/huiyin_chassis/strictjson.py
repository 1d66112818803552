"""JSON from strangers: one bounded pass before any validation, so that nothing hostile reaches a model or a table.

Sources: RFC 8259 (JSON), RFC 7493 (I-JSON: no duplicate names, no lone surrogates).
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from pydantic_core import from_json, to_json

from huiyin_chassis.problems import FieldError, Refusal, pointer

MAX_DEPTH: Final = 32
MAX_VALUES: Final = 250_000
"""Bounds the work per body: eight MiB of commas would be four million values. Commas in texts count too."""
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


class _Wrong:
    """Stands in the parsed document for a value that was refused."""

    def __init__(self, detail: str) -> None:
        self.detail = detail


class _Repeated(dict[str, Any]):
    """An object that has a name twice."""

    name: str


class _Suspicious(Exception):
    """Ends the quick look at a document that needs a closer one."""


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
    try:
        return _plain_document(body, max_depth)
    except (_Suspicious, ValueError, RecursionError):
        return _watched_document(body, max_depth)


def _plain_document(body: bytes, max_depth: int) -> Any:
    """Return the document of an ordinary body, at a third of the cost; raises for any that may be unfit."""
    if (
        _has_too_many_values(body)
        or is_deeper_than(max_depth, body)
        or _has_long_numbers(body)
        or _may_be_unstorable(body)
    ):
        raise _Suspicious
    document = from_json(body, allow_inf_nan=False, cache_strings="keys")
    # A name that stands twice is one member of the document, so that writing it again takes fewer quotes.
    if _count_quotes(to_json(document)) != _count_quotes(body):
        raise _Suspicious
    return document


def _count_quotes(text: bytes) -> int:
    """Return how many quotes begin or end a text in a well-formed document."""
    if b"\\" not in text:
        return text.count(b'"')
    unescaped = text.replace(rb"\\", b"")
    return unescaped.count(b'"') - unescaped.count(rb"\"")


def _watched_document(body: bytes, max_depth: int) -> Any:
    hooks = _Hooks()
    if _has_too_many_values(body):
        _refuse([FieldError(pointer="#", detail=f"More than {MAX_VALUES} values.")])
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
    # Most texts hold no bracket and are two neighbouring quotes now; without them each bracket still has as many
    # quotes before it, odd inside a text and even outside.
    structure = body.translate(_BRACKETS_ALIKE, _NOT_STRUCTURE).replace(b'""', b"")
    brackets = _QUOTED.sub(b"", structure) if b'"' in structure else structure
    for _ in range(max_depth):
        if not brackets:
            return False
        # Each round takes away the innermost level.
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _has_long_numbers(body: bytes) -> bool:
    # Texts are taken away only where something in them looks like a number: ids made of hexadecimal digits do.
    return _looks_long(body) and (b"\\" in body or _looks_long(_QUOTED.sub(b"", body)))


def _looks_long(body: bytes) -> bool:
    alike = body.translate(_DIGITS_ALIKE)
    return b"0" * 19 in alike or b"e000" in alike or b"e+000" in alike


def _may_be_unstorable(body: bytes) -> bool:
    # Valid JSON holds NUL and lone surrogates only as escapes.
    if b"\\" not in body or rb"\u" not in body:
        return False
    # A backslash before `u` may be an escaped one. It leaves a character behind, or its neighbours would become a pair.
    body = body.replace(rb"\\", b"/")
    if rb"\u0000" in body:
        return True
    return bool(_SURROGATE.search(body)) and bool(_SURROGATE.search(_PAIR.sub(b"", body)))


def _has_too_many_values(body: bytes) -> bool:
    return len(body) > MAX_VALUES and body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES


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
