"""What the bus needs of a service's database; the chassis has the real one."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection


class Database(Protocol):
    """A service's own database, SQLite or PostgreSQL."""

    @property
    def dialect_name(self) -> str:
        """Return `sqlite` or `postgresql`."""

    @property
    def path(self) -> Path | None:
        """Return the SQLite file, None for a server."""

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction that may write and commits at the end of the block (SQLite: one at a time)."""

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction that only reads, without a write lock."""
