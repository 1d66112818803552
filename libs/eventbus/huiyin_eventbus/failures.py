"""Whose fault an error is: the event's or the request's, or that of the ground we stand on.

The one answer for both doors. Poison is dead-lettered, but nothing may be dead-lettered because a database or disk was
out of reach: then the consumer waits and nothing moves. A request that meets such an error may be sent again.
"""

import errno
from socket import gaierror
from ssl import SSLError
from typing import Final

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_ERROR_TEXT_CHARACTERS: Final = 500
# Classes of SQLSTATE that a statement is not to blame for: connection, transaction rolled back (deadlock,
# serialisation), resources, operator's intervention, system; then single codes: lock not available, read-only
# transaction (a standby after a failover). Source: PostgreSQL, appendix A.
_STATES: Final = ("08", "40", "53", "57", "58", "55P03", "25006", "XX")
_SQLITE_CODES: Final = tuple(
    f"SQLITE_{fact}"
    for fact in (
        "BUSY",
        "LOCKED",
        "FULL",
        "IOERR",
        "CANTOPEN",
        "READONLY",
        "NOMEM",
        "PROTOCOL",
        "CORRUPT",
        "NOTADB",
    )
)
_SYSTEM: Final = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.EADDRNOTAVAIL,
}
# What asyncio raises, without a number, when a host has several addresses and none of them answers.
_NO_ADDRESS_ANSWERS: Final = "Multiple exceptions: "


def is_infrastructure(error: BaseException) -> bool:
    """Return whether an error says nothing about the event or request being handled: it may succeed later, unchanged.

    True for a database, disk or network out of reach, and for a transaction that lost against another or ran out of
    time. An OSError of the code's own, such as a missing file, is false.
    """
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or (error.orig is not None and is_infrastructure(error.orig))
    if isinstance(error, PoolTimeout | ConnectionError | TimeoutError | MemoryError | gaierror | SSLError):
        return True
    if isinstance(error, OSError):
        return error.errno in _SYSTEM or str(error).startswith(_NO_ADDRESS_ANSWERS)
    # While it connects, SQLAlchemy lets the driver's errors through as they are.
    return _is_said_by_database(error)


def _is_said_by_database(error: BaseException) -> bool:
    state = getattr(error, "sqlstate", None) or ""
    code = getattr(error, "sqlite_errorname", None) or ""
    return state.startswith(_STATES) or code.startswith(_SQLITE_CODES)


def describe(error: BaseException) -> str:
    """Return an error's text for dead letters and logs: bounded, and without what a customer may have said.

    A database's message is one only on SQLite, which names columns; PostgreSQL's repeats values and whole rows, so
    that its SQLSTATE and the names it gives stand in for it. Of data that does not fit a model the kinds are told.
    """
    return _text_of(error).replace("\x00", "")[:_ERROR_TEXT_CHARACTERS]


def _text_of(error: BaseException) -> str:
    if isinstance(error, StatementError) and error.orig is not None:
        return _driver_text(error.orig)
    if getattr(error, "sqlstate", None):
        return _driver_text(error)
    if isinstance(error, ValidationError):
        kinds = sorted({problem["type"] for problem in error.errors(include_input=False, include_url=False)})
        return f"{error.title} does not fit: {', '.join(kinds)}"
    return str(error)


def _driver_text(error: BaseException) -> str:
    if getattr(error, "sqlite_errorname", None):
        return str(error)
    # SQLAlchemy wraps asyncpg's errors once more; the names are on the inner one.
    native = error.__cause__ or error
    facts = [
        getattr(native, name, None) for name in ("sqlstate", "table_name", "column_name", "constraint_name")
    ]
    return " ".join([type(native).__name__, *(str(fact) for fact in facts if fact)])
