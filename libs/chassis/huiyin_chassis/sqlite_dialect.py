"""The SQLAlchemy dialect of `sqlite`: what SQLite understands stays SQLAlchemy's, only the connections are ours."""

import sqlite3
from typing import Any, Final

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.base import SQLiteExecutionContext
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool

from huiyin_chassis.sqlite import connect

DRIVER: Final = "sqlite+huiyin"
"""What a URL begins with that chooses this dialect."""


class Driver:
    """What SQLAlchemy takes for the DBAPI module."""

    paramstyle: Final = "qmark"
    sqlite_version_info: Final = sqlite3.sqlite_version_info
    Binary: Final = sqlite3.Binary
    Error: Final = sqlite3.Error
    InterfaceError: Final = sqlite3.InterfaceError
    DatabaseError: Final = sqlite3.DatabaseError
    DataError: Final = sqlite3.DataError
    OperationalError: Final = sqlite3.OperationalError
    IntegrityError: Final = sqlite3.IntegrityError
    InternalError: Final = sqlite3.InternalError
    ProgrammingError: Final = sqlite3.ProgrammingError
    NotSupportedError: Final = sqlite3.NotSupportedError

    connect: Final = staticmethod(connect)


class _ExecutionContext(SQLiteExecutionContext):
    def create_server_side_cursor(self) -> Any:
        return self._dbapi_connection.cursor(server_side=True)


class Dialect(SQLiteDialect_pysqlite):
    """SQLite as SQLAlchemy knows it, over the connections of `huiyin_chassis.sqlite`."""

    driver = "huiyin"
    is_async = True
    has_terminate = True
    supports_statement_cache = True
    supports_server_side_cursors = True
    execution_ctx_cls = _ExecutionContext

    @classmethod
    def import_dbapi(cls) -> Any:
        """Return the driver."""
        return Driver

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:  # noqa: ARG003 - SQLAlchemy's signature
        """Return a pool that waits for a free connection without blocking the loop."""
        return AsyncAdaptedQueuePool

    def create_connect_args(self, url: URL) -> Any:
        """Return the path; the rest comes with `connect_args`."""
        return [url.database], {}

    def on_connect(self) -> None:  # type: ignore[override] # SQLAlchemy takes None for nothing to do
        """Add no functions of Python's: nobody here needs them."""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Begin at once, not at the first write: SQLAlchemy itself leaves it to the driver."""
        dbapi_connection.begin()

    def do_terminate(self, dbapi_connection: Any) -> None:
        """Close without waiting."""
        dbapi_connection.terminate()

    def get_driver_connection(self, connection: Any) -> Any:
        """Return the standard library's connection."""
        return connection.driver_connection


registry.register("sqlite.huiyin", __name__, "Dialect")
