"""Work calendars: China's days against an independent walk, and calendars as editable data."""

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import chinese_calendar
import pytest

from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.china import china_calendar
from huiyin_sla.errors import CalendarMalformed, TimeNotAware

SHANGHAI = ZoneInfo("Asia/Shanghai")
CN = china_calendar()
TWO_SHIFTS: dict[str, Any] = {
    "name": "hotline",
    "zone": "Europe/Berlin",
    "week": {"mon": ["13:00-18:00", "08:00-12:00"], "sat": ["20:00-24:00"]},
}


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def walked_due_date(start: date, count: int) -> date:
    day = start
    while count:
        day += timedelta(days=1)
        count -= chinese_calendar.is_workday(day)
    return day


def test_every_day_of_the_published_years_is_work_or_rest_as_the_state_council_arranged() -> None:
    differing = [
        day
        for day in days(date(2004, 1, 1), date(2026, 12, 31))
        if CN.is_working_day(day) != chinese_calendar.is_workday(day)
    ]

    assert differing == []


def test_five_working_days_agree_with_a_day_walk_from_every_day_of_three_years() -> None:
    clock = random.Random(31)

    for start_day in days(date(2024, 1, 1), date(2026, 12, 24)):
        minute = time(clock.randrange(24), clock.randrange(60))
        start = datetime.combine(start_day, minute, tzinfo=SHANGHAI)
        expected = datetime.combine(walked_due_date(start_day, 5), time(18), tzinfo=SHANGHAI)
        assert CN.due_after_working_days(start, 5) == expected, start_day


@pytest.mark.parametrize("minute", ["00:00", "00:01", "08:59", "18:00", "23:59"])
def test_the_start_day_never_counts_whatever_the_time(minute: str) -> None:
    start = datetime.fromisoformat(f"2026-11-23T{minute}:00+08:00")

    assert CN.due_after_working_days(start, 1) == datetime(2026, 11, 24, 10, tzinfo=UTC)


def test_a_start_on_a_holiday_counts_from_the_next_working_day() -> None:
    on_national_day = datetime(2026, 10, 1, 9, tzinfo=SHANGHAI)

    assert CN.due_after_working_days(on_national_day, 1) == datetime(2026, 10, 8, 18, tzinfo=SHANGHAI)


def test_a_make_up_saturday_counts_as_a_working_day() -> None:
    friday = datetime(2026, 10, 9, 17, tzinfo=SHANGHAI)

    assert CN.day_kind(date(2026, 10, 10)) == "make-up workday"
    assert CN.due_after_working_days(friday, 1) == datetime(2026, 10, 10, 18, tzinfo=SHANGHAI)


def test_the_start_day_is_that_of_the_calendars_zone() -> None:
    monday_in_utc_tuesday_in_shanghai = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)

    due = CN.due_after_working_days(monday_in_utc_tuesday_in_shanghai, 1)

    assert due == datetime(2026, 11, 25, 18, tzinfo=SHANGHAI)


def test_a_year_without_an_arrangement_has_statutory_holidays_and_a_warning() -> None:
    new_year, spring_festival, plain_saturday = date(2027, 1, 1), date(2027, 2, 8), date(2027, 1, 16)

    assert CN.coverage(2026) == "official"
    assert CN.coverage(2027) == "statutory_only"
    assert not CN.is_working_day(new_year)
    assert not CN.is_working_day(spring_festival)
    assert not CN.is_working_day(plain_saturday)
    assert CN.is_working_day(date(2027, 1, 4))
    (warning,) = CN.warnings_between(date(2026, 12, 30), date(2027, 1, 6))
    assert "2027" in warning


def test_a_year_beyond_all_knowledge_is_a_plain_week_and_says_so() -> None:
    year = 2199

    (warning,) = CN.warnings_between(date(year, 1, 1), date(year, 12, 31))

    assert CN.coverage(year) == "weekdays_only"
    assert CN.is_working_day(date(year, 10, 1))
    assert "2199" in warning


def test_a_published_year_warns_of_nothing() -> None:
    assert CN.warnings_between(date(2024, 1, 1), date(2026, 12, 31)) == ()


def test_a_calendar_survives_its_document_with_the_same_version() -> None:
    read = WorkCalendar.from_dict(CN.to_dict())

    assert read == CN
    assert read.version == CN.version
    assert read.version.startswith("cn-")


def test_an_edited_day_makes_another_version_and_another_deadline() -> None:
    document: dict[str, Any] = CN.to_dict()
    document["off"]["2026-11-24"] = "company day"

    edited = WorkCalendar.from_dict(document)

    start = datetime(2026, 11, 23, 9, tzinfo=SHANGHAI)
    assert edited.version != CN.version
    assert edited.due_after_working_days(start, 1) == datetime(2026, 11, 25, 18, tzinfo=SHANGHAI)


def test_the_version_does_not_depend_on_the_order_of_keys() -> None:
    document = CN.to_dict()

    reordered = WorkCalendar.from_dict(dict(reversed(document.items())))

    assert reordered.version == CN.version


@pytest.mark.parametrize("language", ["zh_CN", "en_US", "C"])
def test_the_version_does_not_depend_on_the_language_of_the_host(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", language)

    assert china_calendar().version == CN.version


def test_a_day_has_several_intervals_in_order_and_may_close_at_midnight() -> None:
    calendar = WorkCalendar.from_dict(TWO_SHIFTS)

    assert [str(hours) for hours in calendar.hours_on(date(2026, 11, 23))] == ["08:00-12:00", "13:00-18:00"]
    assert calendar.close_of(date(2026, 11, 28)) == datetime(2026, 11, 28, 23, tzinfo=UTC)


def test_hours_follow_the_zone_over_a_change_of_summer_time() -> None:
    calendar = WorkCalendar.from_dict(TWO_SHIFTS)

    assert calendar.close_of(date(2026, 10, 19)) == datetime(2026, 10, 19, 16, tzinfo=UTC)
    assert calendar.close_of(date(2026, 10, 26)) == datetime(2026, 10, 26, 17, tzinfo=UTC)


def test_make_up_workdays_take_the_hours_of_the_first_open_weekday_unless_told() -> None:
    usual = WorkCalendar.from_dict({**TWO_SHIFTS, "work": {"2026-11-22": ""}})
    told = WorkCalendar.from_dict({**TWO_SHIFTS, "work": {"2026-11-22": ""}, "makeup_hours": ["10:00-15:00"]})

    assert usual.hours_on(date(2026, 11, 22)) == usual.hours_on(date(2026, 11, 23))
    assert [str(hours) for hours in told.hours_on(date(2026, 11, 22))] == ["10:00-15:00"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": "CN office"}, "/name"),
        ({"name": None}, "/name"),
        ({"zone": "Asia/Nowhere"}, "/zone"),
        ({"zone": "../etc/passwd"}, "/zone"),
        ({"zone": "Asia"}, "/zone"),
        ({"zone": 8}, "/zone"),
        ({"week": {}}, "/week"),
        ({"week": ["09:00-18:00"]}, "/week"),
        ({"week": {"monday": ["09:00-18:00"]}}, "/week/monday"),
        ({"week": {"mon": "09:00-18:00"}}, "/week/mon"),
        ({"week": {"mon": ["9-18"]}}, "/week/mon"),
        ({"week": {"mon": ["18:00-09:00"]}}, "/week/mon"),
        ({"week": {"mon": ["09:00-24:30"]}}, "/week/mon"),
        ({"week": {"mon": ["09:00-13:00", "12:00-18:00"]}}, "/week/mon"),
        ({"makeup_hours": [9]}, "/makeup_hours"),
        ({"off": ["2026-10-01"]}, "/off"),
        ({"off": {"01.10.2026": "National Day"}}, "/off"),
        ({"off": {"2026-10-01": 1}}, "/off/2026-10-01"),
        ({"off": {"2026-10-01": ""}, "work": {"2026-10-01": ""}}, "/work/2026-10-01"),
        ({"official_years": "2026"}, "/official_years"),
        ({"statutory_years": [0]}, "/statutory_years"),
        ({"holidays": {}}, "/holidays"),
    ],
)
def test_a_faulty_document_is_refused_with_a_pointer_to_the_fault(
    change: dict[str, object], where: str
) -> None:
    with pytest.raises(CalendarMalformed) as refusal:
        WorkCalendar.from_dict({**TWO_SHIFTS, **change})

    assert refusal.value.where == where


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TimeNotAware):
        CN.due_after_working_days(datetime(2026, 11, 23, 9), 1)  # noqa: DTZ001  # the fault under test
