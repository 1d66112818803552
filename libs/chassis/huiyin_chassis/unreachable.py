"""Turns a database that cannot be reached at start into one line for the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError

from huiyin_chassis.errors import DatabaseUnreachable
from huiyin_chassis.service import Service
from huiyin_eventbus.failures import is_infrastructure

_MISSING: Final = "3D000"
_REFUSED: Final = "28"


@contextmanager
def unreachable_in_one_line(service: Service) -> Iterator[None]:
    """Raise DatabaseUnreachable in place of what the driver says about a server that refuses or a missing database."""
    try:
        yield
    except Exception as error:
        reason = _reason(error)
        if reason is None:
            raise
        raise DatabaseUnreachable(service.name, reason=reason) from None


def _reason(error: Exception) -> str | None:
    told = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    # asyncpg's errors carry the SQLSTATE, wrapped by SQLAlchemy or as they are.
    state: str = getattr(told, "sqlstate", None) or ""
    if state == _MISSING:
        return "it does not exist; `huiyin migrate --create` makes it"
    if state.startswith(_REFUSED) or is_infrastructure(error):
        return " ".join(str(told).split()).rpartition(">: ")[2] or type(told).__name__
    return None
