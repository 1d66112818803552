"""Kafka headers as text, without loss: what the outbox, retries and dead letters store.

Bytes that are not UTF-8 survive as lone surrogates, which JSON escapes, so that a dead letter can be sent on unchanged.
"""

import json
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring_ascii as _quoted

Headers = Sequence[tuple[str, bytes | None]]


def to_text(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Return the headers as JSON, as `json.dumps` would give it but for its ceremony: it is done for every event."""
    return f"[{','.join([f'[{_quoted(name)},{_value(value)}]' for name, value in headers])}]"


def from_text(stored: str) -> list[tuple[str, bytes]]:
    """Return the headers that `to_text` stored; a null header comes back empty."""
    return [(name, (value or "").encode("utf-8", "surrogateescape")) for name, value in json.loads(stored)]


def _value(value: bytes | None) -> str:
    return "null" if value is None else _quoted(value.decode("utf-8", "surrogateescape"))
