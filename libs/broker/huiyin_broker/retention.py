"""Retention: batches that are too old or too many go, in small chunks, oldest first."""

import asyncio
import time
from datetime import timedelta
from typing import Final

import structlog

from huiyin_broker.catalog import PartitionView
from huiyin_broker.coordinator import Coordinator
from huiyin_broker.log import Log
from huiyin_broker.operations import forget_producers, give_back_space, trim_partition
from huiyin_broker.settings import BrokerSettings
from huiyin_broker.topic_configs import Kept, kept_by

PRODUCER_MEMORY: Final = timedelta(days=7)
log = structlog.get_logger(__name__)


async def keep_retention(store: Log, coordinator: Coordinator, settings: BrokerSettings) -> None:
    """Enforce retention and drop idle groups now and again, until cancelled."""
    while True:
        try:
            await enforce_retention(store, settings, now_ms=time.time_ns() // 1_000_000)
        except Exception as error:  # noqa: BLE001 - the job loop: it tries again next time
            log.warning("retention_postponed", reason=str(error))
        coordinator.forget_idle()
        await asyncio.sleep(settings.retention_check.total_seconds())


async def enforce_retention(store: Log, settings: BrokerSettings, *, now_ms: int) -> int:
    """Delete what retention no longer keeps; return the number of batches that went. Raises StorageFailed."""
    removed = 0
    for topic in list(store.catalog.topics.values()):
        kept = kept_by(topic.configs, settings)
        for view in store.catalog.views(topic):
            removed += await _trim(store, view, kept, now_ms=now_ms)
    if removed:
        while await store.write(give_back_space):
            pass
    unseen_since_ms = now_ms - PRODUCER_MEMORY // timedelta(milliseconds=1)
    await store.write(lambda transaction: forget_producers(transaction, unseen_since_ms=unseen_since_ms))
    return removed


async def _trim(store: Log, view: PartitionView, kept: Kept, *, now_ms: int) -> int:
    if view.is_deleted or view.log_start == view.high_watermark or kept == Kept(None, None):
        return 0
    older_than_ms = None if kept.age is None else now_ms - kept.age // timedelta(milliseconds=1)
    point = await store.retention_point(view, older_than_ms=older_than_ms, keep_bytes=kept.size_bytes)
    removed = 0
    while chunk := await store.write(lambda transaction: trim_partition(transaction, view.id, before=point)):
        removed += chunk
    if removed:
        log.info("partition_trimmed", partition_id=view.id, batches=removed, log_start=view.log_start)
    return removed
