"""Whose fault an error is: the event's, or that of the ground we stand on.

Poison is dead-lettered, but nothing may be dead-lettered because a database or disk was out of reach: then the consumer
waits and nothing moves.
"""

import errno
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
}


def is_infrastructure(error: BaseException) -> bool:
    """Return whether an error from within a transaction says nothing about the event being handled."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _is_database_out_of_reach(error.orig)
    if isinstance(error, PoolTimeout | ConnectionError | TimeoutError | MemoryError):
        return True
    return isinstance(error, OSError) and error.errno in _SYSTEM


def _is_database_out_of_reach(original: BaseException | None) -> bool:
    state = getattr(original, "sqlstate", None) or ""
    code = getattr(original, "sqlite_errorname", None) or ""
    return state.startswith(_STATES) or code.startswith(_SQLITE_CODES)


def describe(error: BaseException) -> str:
    """Return an error's text for a dead letter, bounded; a database's without statement and parameters."""
    told = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return str(told).replace("\x00", "")[:_ERROR_TEXT_CHARACTERS]
