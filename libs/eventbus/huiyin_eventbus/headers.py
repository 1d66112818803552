"""Kafka headers as text, without loss: what the outbox, retries and dead letters store.

Bytes that are not UTF-8 survive as lone surrogates, which JSON escapes, so that a dead letter can be sent on unchanged.
"""

import json
from collections.abc import Iterable, Sequence

Headers = Sequence[tuple[str, bytes]]


def to_text(headers: Iterable[tuple[str, bytes | None]]) -> str:
    """Return the headers as JSON."""
    return json.dumps([(name, _text(value)) for name, value in headers], separators=(",", ":"))


def from_text(stored: str) -> Headers:
    """Return the headers that `to_text` stored; a null header comes back empty."""
    return [(name, (value or "").encode("utf-8", "surrogateescape")) for name, value in json.loads(stored)]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")
