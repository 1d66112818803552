"""Posts rows of feedback in the order in which they come, in bounded batches."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from huiyin_simulator.client import SuiteClient
from huiyin_simulator.errors import BadRow
from huiyin_simulator.rows import Row, as_post

BATCH_ROWS: Final = 250
_BATCH_BYTES: Final = 4 * 1024 * 1024
_PAUSES_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_PATH: Final = "/v1/feedback/batch"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that intake did not take: its place among the rows posted, from 1, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What intake said to one batch: how many rows it had, the ids of new feedback, repeats and refusals.

    A row is a repeat when intake has its natural key already: also when an earlier try of this very batch was
    stored, but its answer was lost on the way.
    """

    posted: int
    accepted_ids: tuple[str, ...]
    duplicates: int
    refusals: tuple[Refusal, ...]


async def post_rows(
    client: SuiteClient, rows: Iterable[Row], *, batch_rows: int = BATCH_ROWS
) -> AsyncIterator[Receipt]:
    """Post rows one batch after the other and yield each batch's receipt.

    When reading the rows raises BadRow, what came before the line is posted first.
    """
    posted = 0
    for batch in _batches(rows, most_rows=batch_rows):
        items = await _post(client, batch)
        for pause_seconds in _PAUSES_SECONDS:
            later = [index for index, item in enumerate(items) if _is_for_later(item)]
            if not later:
                break
            await asyncio.sleep(pause_seconds)
            again = await _post(client, [batch[index] for index in later])
            for index, item in zip(later, again, strict=True):
                items[index] = {**item, "index": index}
        yield _receipt(items, posted_before=posted)
        posted += len(batch)


async def _post(client: SuiteClient, batch: Sequence[bytes]) -> list[dict[str, Any]]:
    answer = await client.post(_PATH, b'{"items":[' + b",".join(batch) + b"]}")
    items: list[dict[str, Any]] = answer["items"]
    return items


def _is_for_later(item: Mapping[str, Any]) -> bool:
    """Tell whether intake had no room for an item, though its neighbours are stored."""
    error = item.get("error")
    return error is not None and error.get("status") == HTTPStatus.SERVICE_UNAVAILABLE


def _batches(rows: Iterable[Row], *, most_rows: int) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    try:
        for row in rows:
            item = json.dumps(as_post(row), ensure_ascii=False).encode()
            if batch and (len(batch) == most_rows or size + len(item) > _BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(item)
            size += len(item)
    except BadRow:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _receipt(items: list[dict[str, Any]], *, posted_before: int) -> Receipt:
    taken = [item for item in items if item.get("id") is not None]
    return Receipt(
        posted=len(items),
        accepted_ids=tuple(item["id"] for item in taken if not item["duplicate"]),
        duplicates=sum(item["duplicate"] for item in taken),
        refusals=tuple(
            Refusal(posted_before + item["index"] + 1, _reason(item["error"]))
            for item in items
            if item.get("error") is not None
        ),
    )


def _reason(error: dict[str, Any]) -> str:
    places = "; ".join(f"{each['pointer']} {each['detail']}" for each in error.get("errors") or ())
    return places or str(error["detail"])
