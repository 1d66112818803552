"""Working time: figures by hand and the laws of adding, measuring and subtracting."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.china import china_calendar
from huiyin_sla.domain.working_time import add_working_time, subtract_working_time, working_time_between

SHANGHAI = ZoneInfo("Asia/Shanghai")
CN = china_calendar()
SHIFTS = WorkCalendar.from_dict(
    {
        "name": "shifts",
        "zone": "Europe/Berlin",
        "week": {
            "mon": ["08:00-12:00", "13:00-17:30"],
            "wed": ["00:00-24:00"],
            "thu": ["00:00-06:00"],
            "sun": ["01:30-03:30"],
        },
        "off": {"2026-05-06": "works outing"},
        "work": {"2026-05-09": ""},
    }
)
NOTHING = timedelta(0)

calendars = st.sampled_from([CN, SHIFTS])
instants = st.datetimes(datetime(2024, 1, 1), datetime(2027, 6, 30), timezones=st.just(UTC))  # noqa: DTZ001  # the zone is the strategy's
spans = st.timedeltas(NOTHING, timedelta(hours=60))


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-23T10:00", 2, "2026-11-23T12:00"),
        ("2026-11-23T09:00", 9, "2026-11-23T18:00"),
        ("2026-11-23T17:00", 2, "2026-11-24T10:00"),
        ("2026-11-27T17:00", 2, "2026-11-30T10:00"),
        ("2026-11-28T12:00", 1, "2026-11-30T10:00"),
        ("2026-09-30T17:00", 2, "2026-10-08T10:00"),
        ("2026-10-09T17:00", 2, "2026-10-10T10:00"),
    ],
)
def test_working_time_is_added_within_opening_hours(start: str, hours: int, end: str) -> None:
    assert add_working_time(local(start), timedelta(hours=hours), calendar=CN) == local(end)
    assert working_time_between(local(start), local(end), calendar=CN) == timedelta(hours=hours)


@given(calendars, instants, spans, spans)
@settings(deadline=None)
def test_adding_a_then_b_is_adding_both(
    calendar: WorkCalendar, start: datetime, a: timedelta, b: timedelta
) -> None:
    one_by_one = add_working_time(add_working_time(start, a, calendar=calendar), b, calendar=calendar)

    assert one_by_one == add_working_time(start, a + b, calendar=calendar)


@given(calendars, instants, instants, spans, spans)
@settings(deadline=None)
def test_adding_is_monotone_in_start_and_span(
    calendar: WorkCalendar, start: datetime, later: datetime, a: timedelta, b: timedelta
) -> None:
    start, later = sorted((start, later))
    short, long = sorted((a, b))

    due = add_working_time(start, short, calendar=calendar)

    assert start <= due <= add_working_time(start, long, calendar=calendar)
    assert due <= add_working_time(later, short, calendar=calendar)


@given(calendars, instants, spans)
@settings(deadline=None)
def test_what_was_added_is_what_is_measured(calendar: WorkCalendar, start: datetime, span: timedelta) -> None:
    end = add_working_time(start, span, calendar=calendar)

    assert working_time_between(start, end, calendar=calendar) == span
    assert working_time_between(end, start, calendar=calendar) == -span


@given(calendars, instants, spans)
@settings(deadline=None)
def test_subtracting_takes_back_what_was_added(
    calendar: WorkCalendar, start: datetime, span: timedelta
) -> None:
    end = add_working_time(start, span, calendar=calendar)
    back = subtract_working_time(end, span, calendar=calendar)
    is_open = any(
        opens_at <= start < closes_at
        for opens_at, closes_at in calendar.open_intervals(calendar.local_date(start))
    )

    if is_open or not span:
        assert back == start
    assert working_time_between(back, start, calendar=calendar) == NOTHING


@given(calendars, instants, instants, instants)
@settings(deadline=None)
def test_measuring_in_two_parts_gives_the_whole(
    calendar: WorkCalendar, a: datetime, b: datetime, c: datetime
) -> None:
    parts = working_time_between(a, b, calendar=calendar) + working_time_between(b, c, calendar=calendar)

    assert parts == working_time_between(a, c, calendar=calendar)


@given(instants, spans)
@settings(deadline=None)
def test_the_zone_a_time_is_written_in_makes_no_difference(start: datetime, span: timedelta) -> None:
    written_elsewhere = start.astimezone(ZoneInfo("America/Los_Angeles"))

    due = add_working_time(written_elsewhere, span, calendar=CN)

    assert due == add_working_time(start, span, calendar=CN)
    assert due.tzinfo is UTC


def test_the_hour_that_autumn_repeats_is_worked_twice() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    starts_at = datetime(2026, 10, 25, 1, 45, tzinfo=berlin)
    ends_at = datetime(2026, 10, 25, 3, 15, tzinfo=berlin)
    worked = timedelta(hours=2, minutes=30)

    assert working_time_between(starts_at, ends_at, calendar=SHIFTS) == worked
    assert add_working_time(starts_at, worked, calendar=SHIFTS) == ends_at.astimezone(UTC)
    assert subtract_working_time(ends_at, worked, calendar=SHIFTS) == starts_at.astimezone(UTC)


@pytest.mark.parametrize("move", [add_working_time, subtract_working_time])
def test_a_negative_span_is_refused(move: Callable[..., datetime]) -> None:
    with pytest.raises(ValueError, match="not negative"):
        move(local("2026-11-23T10:00"), timedelta(hours=-1), calendar=CN)
