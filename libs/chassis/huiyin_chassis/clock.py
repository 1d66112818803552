"""The one place that reads the wall clock, and the type of the times callers send.

Rules take `now` as an argument instead of reading a clock.
"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime


def utc_now() -> datetime:
    """Return the current time, aware, in UTC."""
    return datetime.now(UTC)


def in_utc(moment: datetime) -> datetime:
    """Return an aware time in UTC; raises ValueError for one that lies outside the years UTC can hold."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A time in a request: RFC 3339 with an offset, turned into UTC."""
