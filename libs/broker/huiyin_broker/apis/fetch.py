"""Fetch and ListOffsets: reading the log, waiting for its end to move."""

import asyncio
from dataclasses import dataclass
from typing import Final

from kio.schema.errors import ErrorCode

from huiyin_broker.apis.call import Call, Route
from huiyin_broker.catalog import PartitionView
from huiyin_broker.fetch_frames import encode_fetch
from huiyin_broker.log import Log
from huiyin_broker.protocol import Values
from huiyin_failpoints import reach

_LONGEST_WAIT_SECONDS: Final = 300.0
_MOST_BYTES: Final = 8 * 1024 * 1024
_LATEST, _EARLIEST, _MAX_TIMESTAMP, _EARLIEST_LOCAL = -1, -2, -3, -4


@dataclass(frozen=True, slots=True)
class _Wanted:
    topic: str
    number: int
    offset: int
    max_bytes: int
    view: PartitionView | None

    @property
    def error(self) -> ErrorCode:
        if self.view is None or self.view.is_deleted:
            return ErrorCode.unknown_topic_or_partition
        if not self.view.log_start <= self.offset <= self.view.high_watermark:
            return ErrorCode.offset_out_of_range
        return ErrorCode.none


async def fetch(call: Call) -> Values:
    """Return batches from the wanted offsets on, waiting for `min_bytes` of them up to `max_wait`.

    Every request is answered as one without a fetch session: all its partitions, session id 0.
    """
    if call.field("session_epoch", -1) > 0:
        return {"error_code": ErrorCode.fetch_session_id_not_found, "session_id": 0, "responses": ()}
    wanted = _wanted(call)
    wait = min(call.body.max_wait.total_seconds(), _LONGEST_WAIT_SECONDS)
    max_bytes = min(call.field("max_bytes", _MOST_BYTES), _MOST_BYTES)
    found = await _gather(
        call.node.log, wanted, min_bytes=call.body.min_bytes, max_bytes=max_bytes, wait=wait
    )
    reach("broker.mid_fetch")
    return _answer(wanted, found)


def _wanted(call: Call) -> list[_Wanted]:
    catalog = call.node.log.catalog
    return [
        _Wanted(
            topic.topic,
            p.partition,
            p.fetch_offset,
            p.partition_max_bytes,
            catalog.partition(topic.topic, p.partition),
        )
        for topic in call.body.topics
        for p in topic.partitions
    ]


async def _gather(
    log: Log, wanted: list[_Wanted], *, min_bytes: int, max_bytes: int, wait: float
) -> list[bytes]:
    deadline = asyncio.get_running_loop().time() + wait
    news = asyncio.Event()
    views = [part.view for part in wanted if part.view is not None]
    for view in views:
        view.waiters.add(news)
    try:
        while True:
            news.clear()
            found = await _read(log, wanted, max_bytes=max_bytes)
            is_enough = sum(map(len, found)) >= min_bytes or any(part.error for part in wanted)
            if is_enough or log.catalog.is_closing or not await _waited(news, until=deadline):
                return found
    finally:
        for view in views:
            view.waiters.discard(news)


async def _waited(news: asyncio.Event, *, until: float) -> bool:
    try:
        async with asyncio.timeout_at(until):
            await news.wait()
    except TimeoutError:
        return False
    return True


async def _read(log: Log, wanted: list[_Wanted], *, max_bytes: int) -> list[bytes]:
    """Return the bytes found for each part. The first batch of all comes whole, however large it is."""
    left = max_bytes
    found: list[bytes] = []
    for part in wanted:
        view = part.view
        if view is None or part.error or part.offset == view.high_watermark or left <= 0:
            found.append(b"")
            continue
        batches = await log.read(view, part.offset, max_bytes=min(left, part.max_bytes))
        size = sum(len(batch.payload) for batch in batches)
        if size > left and left < max_bytes:
            found.append(b"")
            continue
        found.append(b"".join(batch.payload for batch in batches))
        left -= size
    return found


def _answer(wanted: list[_Wanted], found: list[bytes]) -> Values:
    topics: dict[str, list[Values]] = {}
    for part, records in zip(wanted, found, strict=True):
        view = part.view
        end = -1 if view is None else view.high_watermark
        answer = {
            "partition_index": part.number,
            "error_code": part.error,
            "high_watermark": end,
            "last_stable_offset": end,
            "log_start_offset": -1 if view is None else view.log_start,
            "aborted_transactions": None,
            "records": records,
        }
        topics.setdefault(part.topic, []).append(answer)
    responses = [{"topic": name, "partitions": parts} for name, parts in topics.items()]
    return {"error_code": ErrorCode.none, "session_id": 0, "responses": responses}


async def list_offsets(call: Call) -> Values:
    """Return the first, last, or first offset stamped at or after a time, per partition."""
    topics = []
    for topic in call.body.topics:
        parts = [
            await _offset(call, topic.name, part.partition_index, part.timestamp) for part in topic.partitions
        ]
        topics.append({"name": topic.name, "partitions": parts})
    return {"topics": topics}


async def _offset(call: Call, topic: str, number: int, timestamp: int) -> Values:
    log = call.node.log
    view = log.catalog.partition(topic, number)
    if view is None:
        return _found(number, ErrorCode.unknown_topic_or_partition, -1, -1)
    if timestamp == _LATEST:
        return _found(number, ErrorCode.none, view.high_watermark, -1)
    if timestamp in {_EARLIEST, _EARLIEST_LOCAL}:
        return _found(number, ErrorCode.none, view.log_start, -1)
    place = await (
        log.offset_of_latest_stamp(view) if timestamp == _MAX_TIMESTAMP else log.offset_at(view, timestamp)
    )
    return _found(number, ErrorCode.none, *(place or (-1, -1)))


def _found(number: int, error: ErrorCode, offset: int, timestamp: int) -> Values:
    return {
        "partition_index": number,
        "error_code": error,
        "offset": offset,
        "timestamp": timestamp,
        "leader_epoch": 0 if offset >= 0 else -1,
    }


ROUTES = (Route(1, 4, 12, fetch, encode=encode_fetch), Route(2, 1, 8, list_offsets))
