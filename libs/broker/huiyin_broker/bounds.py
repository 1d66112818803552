"""Check every length in a request before kio decodes it.

kio's native decoder reserves memory for as many array items as a request announces; four bytes that announce two
thousand million items abort the whole process, whatever else runs in it. So each frame is walked first: every string,
byte field and array must fit in what is left of the frame, and the items of all arrays together are bounded. Runs of
fields of fixed size are skipped in one step, which keeps the walk cheap on the requests that come often.
"""

from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, fields, is_dataclass
from functools import cache
from itertools import groupby
from types import UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

MOST_ITEMS: Final = 100_000
_FIXED_SIZES: Final = {
    "int8": 1, "uint8": 1, "bool": 1, "int16": 2, "uint16": 2, "error_code": 2, "int32": 4, "uint32": 4,
    "timedelta_i32": 4, "int64": 8, "uint64": 8, "float64": 8, "timedelta_i64": 8, "datetime_i64": 8, "uuid": 16,
}  # fmt: skip
_LONGEST_VARINT: Final = 5

Step = Callable[["_Walk"], None]


class OutOfBounds(ValueError):
    """A length in the request does not fit in the frame."""


class _Walk:
    """A position in a frame that only moves forward and never leaves it."""

    __slots__ = ("end", "frame", "items_left", "position")

    def __init__(self, frame: bytes, position: int) -> None:
        self.frame = frame
        self.position = position
        self.end = len(frame)
        self.items_left = MOST_ITEMS

    def skip(self, size: int) -> None:
        self.position += size
        if size < 0 or self.position > self.end:
            raise OutOfBounds("a field is longer than the frame")

    def signed(self, size: int) -> int:
        start = self.position
        self.skip(size)
        return int.from_bytes(self.frame[start : self.position], "big", signed=True)

    def varint(self) -> int:
        value = 0
        for index in range(_LONGEST_VARINT):
            start = self.position
            self.skip(1)
            byte = self.frame[start]
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:  # noqa: PLR2004 - the continuation bit
                return value
        raise OutOfBounds("a length is too long")

    def count(self, items: int) -> int:
        """Take an announced number of items; null counts as none."""
        if items < -1 or items > self.items_left or items > self.end - self.position:
            raise OutOfBounds("an array has more items than the frame can hold")
        self.items_left -= max(items, 0)
        return items


def check_bounds(frame: bytes, *schemas: type) -> None:
    """Walk these messages, one after the other, through the frame. Raises OutOfBounds."""
    walk = _Walk(frame, 0)
    for schema in schemas:
        _message(schema)(walk)


@cache
def _message(schema: type) -> Step:
    steps = list(_steps(schema))
    if schema.__flexible__:  # type: ignore[attr-defined]
        steps.append(_tags(schema))

    def walk_message(walk: _Walk) -> None:
        for step in steps:
            step(walk)

    return walk_message


def _steps(schema: type) -> Iterator[Step]:
    hints = get_type_hints(schema)
    untagged = [field for field in fields(schema) if "tag" not in field.metadata]
    sized = [(_fixed_size(field, hints[field.name]), field) for field in untagged]
    for is_fixed, run in groupby(sized, key=lambda pair: pair[0] > 0):
        if is_fixed:
            yield _skipping(sum(size for size, _ in run))
        else:
            yield from (_field(schema, field, hints[field.name]) for _, field in run)


def _fixed_size(field: Field[Any], hint: Any) -> int:
    """Return the bytes the field always takes, 0 when that depends."""
    return 0 if _is_array(hint) else _FIXED_SIZES.get(field.metadata.get("kafka_type", ""), 0)


def _field(schema: type, field: Field[Any], hint: Any) -> Step:
    is_flexible: bool = schema.__flexible__  # type: ignore[attr-defined]
    # The client id keeps the old string form in every version of the header.
    if schema.__name__ == "RequestHeader" and field.name == "client_id":
        is_flexible = False
    kind = field.metadata.get("kafka_type")
    item = _message(_nested(hint)) if kind is None else _primitive(kind, is_flexible=is_flexible)
    if not _is_array(hint):
        return item
    return _compact_array(item) if is_flexible else _legacy_array(item)


def _primitive(kind: str, *, is_flexible: bool) -> Step:
    if kind in _FIXED_SIZES:
        return _skipping(_FIXED_SIZES[kind])
    if is_flexible:
        return _skip_compact
    return _skip_short if kind == "string" else _skip_long


def _skipping(size: int) -> Step:
    return lambda walk: walk.skip(size)


def _skip_compact(walk: _Walk) -> None:
    walk.skip(max(walk.varint() - 1, 0))


def _skip_short(walk: _Walk) -> None:
    _skip_nullable(walk, walk.signed(2))


def _skip_long(walk: _Walk) -> None:
    _skip_nullable(walk, walk.signed(4))


def _skip_nullable(walk: _Walk, length: int) -> None:
    if length != -1:
        walk.skip(length)


def _compact_array(item: Step) -> Step:
    def walk_array(walk: _Walk) -> None:
        for _ in range(walk.count(walk.varint() - 1)):
            item(walk)

    return walk_array


def _legacy_array(item: Step) -> Step:
    def walk_array(walk: _Walk) -> None:
        for _ in range(walk.count(walk.signed(4))):
            item(walk)

    return walk_array


def _tags(schema: type) -> Step:
    hints = get_type_hints(schema)
    known = {
        field.metadata["tag"]: _field(schema, field, hints[field.name])
        for field in fields(schema)
        if "tag" in field.metadata
    }

    def walk_tags(walk: _Walk) -> None:
        for _ in range(walk.count(walk.varint())):
            tag, size = walk.varint(), walk.varint()
            start = walk.position
            walk.skip(size)
            if tag in known:
                walk.position = start
                known[tag](walk)
                if walk.position != start + size:
                    raise OutOfBounds("a tagged field is not as long as it says")

    return walk_tags


@dataclass(frozen=True, slots=True)
class _Shape:
    is_array: bool
    nested: type | None


def _is_array(hint: Any) -> bool:
    return _shape(hint).is_array


def _nested(hint: Any) -> type:
    nested = _shape(hint).nested
    if nested is None:
        raise TypeError(f"no message type in {hint}")
    return nested


def _shape(hint: Any) -> _Shape:
    if get_origin(hint) is tuple:
        return _Shape(is_array=True, nested=_shape(get_args(hint)[0]).nested)
    if isinstance(hint, UnionType):
        return _shape(get_args(hint)[0])
    return _Shape(is_array=False, nested=hint if isinstance(hint, type) and is_dataclass(hint) else None)
