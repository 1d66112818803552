"""What the bus needs of a service's database; the chassis has the real one."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncConnection


class Database(Protocol):
    """A service's own database, SQLite or PostgreSQL."""

    @property
    def url(self) -> URL:
        """Return where it is: dialect and, for SQLite, the file."""

    def writing(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction that may write and commits at the end of the block (SQLite: one at a time)."""

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Open a transaction that only reads, without a write lock."""
