"""Who may publish: the lock that keeps the order of the outbox with any number of relay processes.

On PostgreSQL the outbox is cut into 16 shards by key, and a relay takes the free ones for one batch, until its
transaction ends. On SQLite one relay at a time holds a lock file beside the database; the others stand by.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_eventbus.outbox import SHARDS

# Any number that no other lock of the database uses: the first bytes of "relay".
_LOCK_CLASS: Final = 0x72656C61
_TAKE_SHARDS: Final = text(
    "SELECT shard FROM generate_series(0, :last) AS shard WHERE pg_try_advisory_xact_lock(:lock_class, shard)"
)
# A relay that was frozen gives its shards back when PostgreSQL ends its idle transaction.
_BOUND_IDLENESS: Final = text("SELECT set_config('idle_in_transaction_session_timeout', :milliseconds, true)")


async def take_shards(tx: AsyncConnection, *, idle_milliseconds: int) -> list[int]:
    """Return the shards that are this transaction's until it ends; PostgreSQL only."""
    await tx.execute(_BOUND_IDLENESS, {"milliseconds": str(idle_milliseconds)})
    taken = await tx.execute(_TAKE_SHARDS, {"last": SHARDS - 1, "lock_class": _LOCK_CLASS})
    return list(taken.scalars())


class FileLock:
    """An advisory lock on a file, held by one process at a time and freed by the system when that dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def try_take(self) -> bool:
        """Return whether the lock is ours now, without waiting."""
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
