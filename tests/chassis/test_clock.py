"""Times that callers send: aware, in UTC, and within what UTC can hold."""

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from huiyin_chassis.clock import Moment, utc_now

MOMENT = TypeAdapter(Moment)


def test_a_time_is_turned_into_utc() -> None:
    assert MOMENT.validate_python("2026-11-22T08:00:00+08:00") == datetime(2026, 11, 22, tzinfo=UTC)
    assert MOMENT.validate_python("2026-11-22T08:00:00+08:00").tzinfo is UTC
    assert utc_now().tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["9999-12-31T20:00:00-12:00", "0001-01-01T00:00:00+12:00", "2026-11-22T08:00:00"]
)
def test_a_time_that_utc_cannot_hold_or_without_an_offset_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(text)
