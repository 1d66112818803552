"""Rows of feedback as they stand in JSONL files, and the body in which intake takes them.

A file may be plain or gzip, which its first bytes tell. Reading is lazy and bounded, so that a stream of any
length can be posted in flat memory.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from huiyin_simulator.errors import BadRow

MAX_LINE_BYTES = 1024 * 1024
MAX_RATING = 5
_GZIP_MAGIC = b"\x1f\x8b"

_KINDS = {
    "hotline": "call",
    "phone": "call",
    "wechat": "message",
    "chat": "message",
    "weibo": "comment",
    "twitter": "comment",
    "store_book": "opinion_book",
    "survey": "survey",
    "email": "email",
    "ticket": "ticket",
}
_KIND_SUFFIXES = {"_review": "review", "_survey": "survey", "_form": "form"}


@dataclass(frozen=True, slots=True)
class Labels:
    """What a careful reader would answer for a text; values as in the labelling guideline."""

    nature: str
    type: str
    subtype: str
    urgency: str
    sentiment: str


@dataclass(frozen=True, slots=True)
class Row:
    """One piece of feedback as a channel delivered it.

    `resend_of` names the first of two near-same texts by one author, `follow_up_of` the message that this one
    continues; a `redelivery` repeats an earlier row in every field. These three, `source`, `source_label` and
    `labels` are for checking results and are never posted.
    """

    external_id: str
    channel: str
    received_at: datetime
    author: str
    lang: str
    text: str
    product: str | None = None
    store: str | None = None
    rating: int | None = None
    source: str | None = None
    source_label: str | None = None
    resend_of: str | None = None
    follow_up_of: str | None = None
    redelivery: bool = False
    labels: Labels | None = None


def kind_of(channel: str) -> str:
    """Return the kind of feedback a channel brings; `form`, which is never joined to others, when unknown."""
    if channel in _KINDS:
        return _KINDS[channel]
    return next((kind for suffix, kind in _KIND_SUFFIXES.items() if channel.endswith(suffix)), "form")


def as_post(row: Row) -> dict[str, Any]:
    """Return the body of POST /v1/feedback for a row; absent values are left out."""
    body = {
        "channel": row.channel,
        "kind": kind_of(row.channel),
        "external_id": row.external_id,
        "occurred_at": row.received_at.isoformat(),
        "text": row.text,
        "lang": row.lang,
        "product": row.product,
        "store": row.store,
        "author": {"id": row.author},
        "rating": None if row.rating is None else {"value": row.rating, "max": MAX_RATING},
    }
    return {name: value for name, value in body.items() if value is not None}


def stream_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a JSONL file one by one, plain or gzip; empty lines are skipped.

    Raises BadRow at the first line that is no row (what was yielded before stays good), OSError when the file
    cannot be opened.
    """
    for line, value in stream_objects(path):
        yield _row(value, line=line)


def stream_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, JSON object) for every line that is not empty; raises as `stream_rows`."""
    with _opened(path) as lines:
        number = 0
        while True:
            number += 1
            raw = _next_line(lines, number=number)
            if not raw:
                return
            if raw.strip():
                yield number, _object(raw, line=number)


def count_lines(path: Path) -> int:
    """Return how many lines a JSONL file has; of a damaged one, how many can be read."""
    with _opened(path) as lines:
        count = 0
        try:
            while _next_line(lines, number=count + 1):
                count += 1
        except BadRow:
            pass
        return count


def parse_labels(value: object, *, line: int) -> Labels | None:
    """Return the expected labels of a row, None when it has none; raises BadRow when one is missing."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadRow(line, "labels is not an object")
    return Labels(**{name: _text(value, name, line=line) for name in Labels.__slots__})


def parse_fields(value: dict[str, Any], *, line: int) -> dict[str, Any]:
    """Return what a row holds besides its time, checked; raises BadRow. Unknown fields are ignored."""
    required = ("external_id", "channel", "author", "lang", "text")
    optional = ("product", "store", "source", "source_label", "resend_of", "follow_up_of")
    redelivery = value.get("redelivery", False)
    if not isinstance(redelivery, bool):
        raise BadRow(line, "redelivery is neither true nor false")
    return {
        **{name: _text(value, name, line=line) for name in required},
        **{name: _text(value, name, line=line) for name in optional if value.get(name) is not None},
        "rating": _rating(value.get("rating"), line=line),
        "redelivery": redelivery,
        "labels": parse_labels(value.get("labels"), line=line),
    }


def _row(value: dict[str, Any], *, line: int) -> Row:
    return Row(received_at=_received_at(value, line=line), **parse_fields(value, line=line))


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    with path.open("rb") as file:
        is_gzip = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return gzip.open(path, "rb") if is_gzip else path.open("rb")


def _next_line(lines: BinaryIO | gzip.GzipFile, *, number: int) -> bytes:
    try:
        raw = lines.readline(MAX_LINE_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadRow(number, "the gzip file is damaged or cut short") from error
    if len(raw) > MAX_LINE_BYTES:
        raise BadRow(number, f"longer than {MAX_LINE_BYTES} bytes")
    return raw


def _object(raw: bytes, *, line: int) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except UnicodeDecodeError as error:
        raise BadRow(line, "not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise BadRow(line, "not JSON") from error
    if not isinstance(value, dict):
        raise BadRow(line, "not a JSON object")
    return value


def _text(value: dict[str, Any], name: str, *, line: int) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise BadRow(line, f"{name} is missing or not a string")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRow(line, f"{name} holds half a character (a lone surrogate)") from error
    return text


def _rating(value: object, *, line: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_RATING:
        raise BadRow(line, f"rating is not a number from 0 to {MAX_RATING}")
    if value != int(value):
        raise BadRow(line, "rating is not a whole number")
    return int(value)


def _received_at(value: dict[str, Any], *, line: int) -> datetime:
    try:
        received_at = datetime.fromisoformat(_text(value, "received_at", line=line))
    except ValueError as error:
        raise BadRow(line, "received_at is not an ISO 8601 time") from error
    if received_at.utcoffset() is None:
        raise BadRow(line, "received_at has no offset from UTC")
    return received_at
