"""The log: one SQLite file with one writer thread, one reader thread, and the committed view for the event loop."""

import asyncio
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TypeVar

import structlog

from huiyin_broker import reads, schema
from huiyin_broker.catalog import Catalog, PartitionView
from huiyin_broker.errors import LogUnusable
from huiyin_broker.ledger import StoredBatch, Transaction, load_committed_offsets, load_ledger
from huiyin_broker.settings import BrokerSettings
from huiyin_broker.writer import Operation, Writer

T = TypeVar("T")
log = structlog.get_logger(__name__)


class Log:
    """An open log. Opening blocks and raises LogUnusable; `close` lets go of the file."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self.path = settings.path
        self._is_open = True
        with ExitStack() as opened:
            opened.enter_context(schema.lock_log(settings.path))
            self._connection = opened.enter_context(closing(schema.open_writer(settings.path)))
            try:
                self._ledger = load_ledger(self._connection)
                self.cluster_id = _cluster_id(self._connection)
                committed = load_committed_offsets(self._connection)
            except sqlite3.Error as error:
                raise LogUnusable(settings.path, str(error)) from error
            self._reading = opened.enter_context(closing(schema.open_reader(settings.path)))
            self._opened = opened.pop_all()
        self.catalog = Catalog(self._ledger, committed, tail_cache_bytes=settings.tail_cache_bytes)
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="broker-reader")
        self._has_room = True
        self._writer = Writer(self._connection, self._ledger, begin=self._begin, publish=self.catalog.apply)

    async def write(self, operation: Operation[T]) -> T:
        """Run an operation in the writer thread; return its result after COMMIT. Raises StorageFailed."""
        return await self._writer.submit(operation)

    def submit(self, operation: Operation[T]) -> "asyncio.Future[T]":
        """Queue an operation in its turn without waiting for it."""
        return self._writer.submit(operation)

    async def read(self, view: PartitionView, offset: int, *, max_bytes: int) -> Sequence[StoredBatch]:
        """Return batches from the one holding `offset` on: at least one, then as many as fit in `max_bytes`."""
        if view.has_in_tail(offset):
            return reads.fitting(view.tail_from(offset), max_bytes=max_bytes)
        end = view.high_watermark
        return await self._in_reader(
            lambda reading: reads.batches_from(reading, view.id, offset=offset, end=end, max_bytes=max_bytes)
        )

    async def offset_at(self, view: PartitionView, timestamp_ms: int) -> tuple[int, int] | None:
        """Return (offset, timestamp) of the first record stamped at or after the time, or None."""
        end = view.high_watermark
        return await self._in_reader(
            lambda reading: reads.offset_at(reading, view.id, timestamp_ms=timestamp_ms, end=end)
        )

    async def offset_of_latest_stamp(self, view: PartitionView) -> tuple[int, int] | None:
        """Return (offset, timestamp) of the record with the highest timestamp, or None in an empty partition."""
        end = view.high_watermark
        return await self._in_reader(lambda reading: reads.offset_of_latest_stamp(reading, view.id, end=end))

    async def retention_point(
        self, view: PartitionView, *, older_than_ms: int | None, keep_bytes: int | None
    ) -> int:
        """Return the offset before which age or size want the partition trimmed."""
        end = view.high_watermark
        return await self._in_reader(
            lambda reading: reads.retention_point(
                reading, view.id, end=end, older_than_ms=older_than_ms, keep_bytes=keep_bytes
            )
        )

    async def close(self) -> None:
        """Finish what was submitted and let go of the file."""
        if not self._is_open:
            return
        self._is_open = False
        await self._writer.close()
        self._reader.shutdown(wait=True)
        self._opened.close()

    async def _in_reader(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, query, self._reading)

    def _begin(self) -> Transaction:
        now_ms = time.time_ns() // 1_000_000
        return Transaction(self._connection, self._ledger, now_ms=now_ms, has_room=self._check_room())

    def _check_room(self) -> bool:
        try:
            free = shutil.disk_usage(self._settings.path.parent).free
        except OSError:
            free = 0
        has_room = free >= self._settings.min_free_bytes
        if has_room != self._has_room:
            log.warning("disk_guard_moved", has_room=has_room, free_bytes=free)
            self._has_room = has_room
        return has_room


def _cluster_id(connection: sqlite3.Connection) -> str:
    connection.execute(
        "INSERT OR IGNORE INTO meta (name, value) VALUES ('cluster_id', ?)", (uuid.uuid4().hex[:22],)
    )
    (cluster_id,) = connection.execute("SELECT value FROM meta WHERE name = 'cluster_id'").fetchone()
    return str(cluster_id)
