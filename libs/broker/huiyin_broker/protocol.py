"""Kafka's frames and messages through kio, version by version.

A handler answers with plain mappings that use the field names of the newest version; `encode_response` fits them to
the version the client speaks: fields that version does not know are left out.
"""

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Final, cast, get_args, get_type_hints

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

from huiyin_broker.bounds import check_bounds

Values = Mapping[str, Any]
_HEAD: Final = struct.Struct(">hhi")
_LENGTH: Final = struct.Struct(">i")
_NO_DELAY: Final = timedelta(0)


class MalformedRequest(ValueError):
    """Bytes that are not a request of the version they claim."""


@dataclass(frozen=True, slots=True)
class Head:
    """The fixed start of every request."""

    api_key: int
    version: int
    correlation_id: int


def decode_head(frame: bytes) -> Head:
    """Return api, version and correlation id of a frame. Raises MalformedRequest."""
    try:
        return Head(*_HEAD.unpack_from(frame))
    except struct.error as error:
        raise MalformedRequest("frame too short") from error


def decode_request(frame: bytes, head: Head) -> tuple[str | None, Any]:
    """Return the client id and kio's request object. Raises MalformedRequest."""
    schema = _request_schema(head.api_key, head.version)
    try:
        check_bounds(frame, cast("type", schema.__header_schema__), schema)
        header, used = _reader(cast("type", schema.__header_schema__))(frame, 0)
        body, _ = _reader(schema)(frame, used)
    except Exception as error:  # kio's native part raises many kinds, none of which it documents
        raise MalformedRequest(f"{type(error).__name__} in {schema.__name__} v{head.version}") from error
    return header.client_id, body


def encode_response(head: Head, values: Values) -> bytes:
    """Return the whole response frame, length included."""
    schema = _response_schema(head.api_key, head.version)
    buffer = io.BytesIO()
    buffer.write(b"\0\0\0\0")
    header = schema.__header_schema__
    entity_writer(header)(buffer, header(correlation_id=head.correlation_id))  # type: ignore[arg-type]
    entity_writer(schema)(buffer, fit(schema, values))
    frame = buffer.getbuffer()
    _LENGTH.pack_into(frame, 0, len(frame) - 4)
    return bytes(frame)


def fit(schema: type, values: Values) -> Any:
    """Return a `schema` object made of those values that it has fields for, nested messages included."""
    return _fitter(schema)(values)


# kio looks a schema up by its dotted name every time, which costs more than decoding a small request.
_request_schema = cache(load_request_schema)
_response_schema = cache(load_response_schema)


@cache
def _reader(schema: type) -> Callable[[bytes, int], tuple[Any, int]]:
    return entity_reader(schema)


@cache
def _fitter(schema: type) -> Callable[[Values], Any]:
    hints = get_type_hints(schema)
    nested = {field.name: _nested_schema(hints[field.name]) for field in fields(schema)}
    plan = [(name, None if inner is None else _fitter(inner)) for name, inner in nested.items()]

    def fit_values(values: Values) -> Any:
        chosen: dict[str, Any] = {}
        for name, fit_inner in plan:
            if name in values:
                value = values[name]
                chosen[name] = value if fit_inner is None else _fit_nested(value, fit_inner)
            elif name == "throttle_time":
                chosen[name] = _NO_DELAY
        return schema(**chosen)

    return fit_values


def _fit_nested(value: Values | Sequence[Values] | None, fit_inner: Callable[[Values], Any]) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return fit_inner(value)
    return tuple(fit_inner(item) for item in value)


def _nested_schema(hint: Any) -> type | None:
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    for argument in get_args(hint):
        inner = _nested_schema(argument)
        if inner is not None:
            return inner
    return None
