"""Keyset pagination: a page follows the last row of the one before, so page 1,000 costs what page 1 costs.

The cursor is opaque to callers: the sort keys of the last row, bound to the list's order. It is not a secret and
grants nothing; whatever it holds is checked before it reaches SQL, and garbage is a 422.
"""

import base64
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Row, Select, TypeDecorator, UnaryExpression, and_, literal, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import operators

from huiyin_chassis.problems import FieldError, Refusal

T = TypeVar("T")

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
_MAX_CURSOR_CHARS: Final = 2048
_STORABLE: Final = re.compile(r"[^\x00\ud800-\udfff]*")
_INT64: Final = range(-(2**63), 2**63)


class Page(BaseModel, Generic[T]):
    """One page of a list; `next` is the cursor of the following page, null on the last one."""

    items: list[T]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class PageAsked:
    """What a caller asks of a list: how many items (1 to 200) and after which cursor."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


async def _page_asked(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(max_length=_MAX_CURSOR_CHARS)] = None,
) -> PageAsked:
    return PageAsked(limit, cursor)


PageRequest = Annotated[PageAsked, Depends(_page_asked)]
"""The argument of a list endpoint: `async def list_tickets(tx: Reading, request: PageRequest)`."""


async def page(
    tx: AsyncConnection,
    statement: Select[Any],
    *keys: ColumnElement[Any],
    request: PageAsked,
    view: Callable[[Row[Any]], T],
) -> Page[T]:
    """Return one page of a select, ordered by `keys`, each row turned into an item by `view`.

    Keys are columns or `column.desc()`; together they must be unique (end with the id) and never null: coalesce
    what may be. The statement carries its filters and no order or limit of its own. Raises a 422 Refusal for a
    cursor that is not of this list.
    """
    width = len(statement.selected_columns)
    found = (await tx.execute(paginate(statement, *keys, request=request))).freeze()
    rows = found().columns(*range(width)).all()
    if len(rows) <= request.limit:
        return Page(items=[view(row) for row in rows])
    ends = found().columns(*range(width, width + len(keys))).all()
    return Page(
        items=[view(row) for row in rows[: request.limit]],
        next=encode_cursor(keys, ends[request.limit - 1]),
    )


def paginate(statement: Select[Any], *keys: ColumnElement[Any], request: PageAsked) -> Select[Any]:
    """Return the select of one page: ordered, after the cursor, one row more than asked to see whether more follow.

    The values of the keys are appended to its columns.
    """
    if request.cursor is not None:
        statement = statement.where(_after(keys, decode_cursor(keys, request.cursor)))
    labelled = [_column(key).label(f"_key_{position}") for position, key in enumerate(keys)]
    return statement.add_columns(*labelled).order_by(None).order_by(*keys).limit(request.limit + 1)


def encode_cursor(keys: Sequence[ColumnElement[Any]], values: Sequence[Any]) -> str:
    """Return the cursor that stands behind a row with these key values."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    document = json.dumps([_order_of(keys), *plain], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def decode_cursor(keys: Sequence[ColumnElement[Any]], cursor: str) -> list[Any]:
    """Return the key values in a cursor; raises a 422 Refusal for anything this list did not give out itself."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        order, *values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        _check_order(keys, order)
        return [_checked(_column(key), value) for key, value in zip(keys, values, strict=True)]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        wrong = FieldError(parameter="cursor", detail="Not a cursor of this list; start again without one.")
        raise Refusal(422, "The cursor cannot be used.", errors=[wrong]) from error


def _after(keys: Sequence[ColumnElement[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    columns = [_column(key) for key in keys]
    bounds = [literal(value, column.type) for column, value in zip(columns, values, strict=True)]
    descending = [_is_descending(key) for key in keys]
    if len(set(descending)) == 1:
        # Row values use an index on the keys as it stands, on SQLite and PostgreSQL.
        row, bound = tuple_(*columns), tuple_(*bounds)
        return row < bound if descending[0] else row > bound
    steps: list[ColumnElement[bool]] = []
    for position, column in enumerate(columns):
        beyond = column < bounds[position] if descending[position] else column > bounds[position]
        equal = [columns[before] == bounds[before] for before in range(position)]
        steps.append(and_(*equal, beyond))
    # Implied by the rest, but it lets the database enter the index at the cursor.
    first = columns[0] <= bounds[0] if descending[0] else columns[0] >= bounds[0]
    return and_(first, or_(*steps))


def _is_descending(key: ColumnElement[Any]) -> bool:
    return isinstance(key, UnaryExpression) and key.modifier is operators.desc_op


def _column(key: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(key, UnaryExpression) and key.modifier in (operators.desc_op, operators.asc_op):
        return key.element
    return key


def _order_of(keys: Sequence[ColumnElement[Any]]) -> int:
    return zlib.crc32(",".join(str(key) for key in keys).encode())


def _check_order(keys: Sequence[ColumnElement[Any]], order: object) -> None:
    if order != _order_of(keys):
        raise ValueError("of another list")


def _checked(column: ColumnElement[Any], value: object) -> object:
    # A decorated type does not tell what it decorates.
    stored = column.type.impl_instance if isinstance(column.type, TypeDecorator) else column.type
    kind = stored.python_type
    if kind is datetime and isinstance(value, str):
        return _moment(value)
    if type(value) is not kind:
        raise TypeError("of another type")
    if isinstance(value, int) and value not in _INT64:
        raise ValueError("beyond 64 bits")
    if isinstance(value, str) and not _STORABLE.fullmatch(value):
        raise ValueError("not storable text")
    return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("naive")
    return moment.astimezone(UTC)
