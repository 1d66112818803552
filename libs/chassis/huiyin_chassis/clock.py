"""The one place that reads the wall clock; rules take `now` as an argument instead."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)
