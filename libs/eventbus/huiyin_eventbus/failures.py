"""Whose fault an error is: the event's or the request's, or that of the ground we stand on.

The one answer for both doors. Poison is dead-lettered, but nothing may be dead-lettered because a database or disk was
out of reach: then the consumer waits and nothing moves. A request that meets such an error may be sent again.
"""

import errno
from socket import gaierror
from ssl import SSLError
from typing import Final

from sqlalchemy.exc import DBAPIError
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
        return error.connection_invalidated or _is_said_by_database(error.orig)
    if isinstance(error, PoolTimeout | ConnectionError | TimeoutError | MemoryError | gaierror | SSLError):
        return True
    if isinstance(error, OSError):
        return error.errno in _SYSTEM or str(error).startswith(_NO_ADDRESS_ANSWERS)
    # While it connects, SQLAlchemy lets the driver's errors through as they are.
    return _is_said_by_database(error)


def _is_said_by_database(error: BaseException | None) -> bool:
    state = getattr(error, "sqlstate", None) or ""
    code = getattr(error, "sqlite_errorname", None) or ""
    return state.startswith(_STATES) or code.startswith(_SQLITE_CODES)


def describe(error: BaseException) -> str:
    """Return an error's text for a dead letter, bounded; a database's without statement and parameters."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(told).replace("\x00", "")[:_ERROR_TEXT_CHARACTERS]
