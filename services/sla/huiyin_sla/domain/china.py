"""The calendar ``cn``: Monday to Friday 09:00-18:00 in China, with holidays and make-up workdays.

The State Council publishes each year's arrangement (部分节假日安排的通知) in the autumn before; ``chinesecalendar``
carries the published years. For years it does not know, ``holidays`` gives the statutory days (with the
substitute days that 全国年节及纪念日放假办法 grants for weekends), and the calendar says so in ``coverage``.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from zoneinfo import ZoneInfo

import holidays
from chinese_calendar.constants import Holiday
from chinese_calendar.constants import holidays as official_holidays
from chinese_calendar.constants import workdays as official_workdays

from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.hours import OpenHours

_LAST_STATUTORY_YEAR = 2045
_OFFICE_HOURS = (OpenHours.parse("09:00-18:00"),)


def china_calendar() -> WorkCalendar:
    """Return the calendar ``cn``, with statutory holidays through 2045 where no more is known."""
    official_years = _arranged_years(official_holidays)
    unknown_years = range(max(official_years) + 1, _LAST_STATUTORY_YEAR + 1)
    # The language is named because the library would else take that of the host.
    statutory = holidays.country_holidays("CN", years=unknown_years, expand=False, language="en_US")
    off = {day: name for day, name in official_holidays.items() if day.year in official_years}
    return WorkCalendar(
        name="cn",
        zone=ZoneInfo("Asia/Shanghai"),
        week=(_OFFICE_HOURS,) * 5 + ((), ()),
        makeup_hours=_OFFICE_HOURS,
        off=off | dict(statutory.items()),
        work={day: name for day, name in official_workdays.items() if day.year in official_years},
        official_years=official_years,
        statutory_years=frozenset(day.year for day in statutory),
    )


def _arranged_years(days: Iterable[date]) -> frozenset[int]:
    """Return the years whose whole arrangement is there.

    New Year of a year is sometimes arranged together with the year before; only a year that has its
    National Day, the last holiday, is complete.
    """
    names: defaultdict[int, set[str]] = defaultdict(set)
    for day in days:
        names[day.year].add(official_holidays[day])
    return frozenset(year for year, known in names.items() if Holiday.national_day.value in known)
