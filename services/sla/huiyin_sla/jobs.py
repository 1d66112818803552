"""What sla does by the clock: sweeps deadlines four times a second, and looks whether the calendar is known far enough.

A sweep that finds nothing is one look at one index. While the wall clock cannot be trusted nothing fires, and
readiness says so; nor does anything until the log is read up to where it ended at the start.
"""

import time
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

import structlog
from prometheus_client import Counter, Gauge, Histogram

from huiyin_chassis.clock import utc_now
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Job
from huiyin_sla import queries
from huiyin_sla.domain.steadiness import Steadiness
from huiyin_sla.usecases.sweep import BATCH, mark_seen, sweep_deadlines
from huiyin_sla.usecases.terms import DEFAULT_CALENDAR, load_calendar

log = structlog.get_logger()

SWEEP_EVERY: Final = timedelta(milliseconds=250)
_MARK_EVERY: Final = timedelta(seconds=10)
_ALARM_MONTH: Final = 12

LATENESS_SECONDS: Final = Histogram(
    "huiyin_sla_breach_lateness_seconds",
    "Time from a deadline to the moment its breach was found, in seconds.",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
WARNED: Final = Counter("huiyin_sla_warnings", "Warnings sent, by all shares.")
HELD: Final = Gauge(
    "huiyin_sla_sweep_held", "1 while nothing fires: the wall clock jumped, or the log is not read yet."
)
UNCOVERED: Final = Gauge(
    "huiyin_sla_calendar_uncovered",
    "1 from 1 December on while next year's official arrangement is missing, else 0.",
    ["calendar"],
)


class Sweeper:
    """The sweep of one running service: its clocks' steadiness and the mark that outlives the process."""

    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database
        self._steadiness: Steadiness | None = None
        self._marked_at: datetime | None = None

    async def run(self, *, is_behind: bool = False) -> None:
        """Look once, and sweep until nothing more is due; commits each batch.

        Nothing fires while the service `is_behind`: after a long stop, answers that were in time are still to be read.
        """
        async with self._database.reading() as tx:
            poll = await queries.poll(tx, now=utc_now())
            stored = await queries.sweep_seen_at(tx) if self._steadiness is None else None
        is_held = self._is_held(poll.now, stored=stored) or is_behind
        HELD.set(is_held)
        if is_held:
            return
        if poll.is_due:
            await self._sweep(poll.now)
        await self._mark(poll.now)

    async def probe(self) -> str | None:
        """Return why nothing fires, for readiness."""
        known = self._steadiness
        if known is None or not known.is_held or known.jump is None:
            return None
        return f"the wall clock jumped by {known.jump.total_seconds():+.0f} s, deadlines wait"

    def _is_held(self, now: datetime, *, stored: datetime | None) -> bool:
        monotonic = timedelta(seconds=time.monotonic())
        known = self._steadiness
        if known is None:
            seen = Steadiness.first(now, monotonic=monotonic, stored=stored)
        else:
            seen = known.observe(now, monotonic=monotonic)
        if seen.held_until != (known.held_until if known else None) and seen.jump is not None:
            log.error("wall_clock_jumped", by_seconds=seen.jump.total_seconds(), holding_seconds=60)
        self._steadiness = seen
        return seen.is_held

    async def _sweep(self, now: datetime) -> None:
        while True:
            async with self._database.writing() as tx:
                swept = await sweep_deadlines(tx, now=now, limit=BATCH)
            WARNED.inc(swept.warnings)
            for late_by in swept.late_by:
                LATENESS_SECONDS.observe(late_by.total_seconds())
            if swept.late_by:
                log.info("deadlines_missed", breaches=len(swept.late_by))
            if swept.cases < BATCH:
                return

    async def _mark(self, now: datetime) -> None:
        if self._marked_at is not None and abs(now - self._marked_at) < _MARK_EVERY:
            return
        async with self._database.writing() as tx:
            await mark_seen(tx, now=now)
        self._marked_at = now


_SWEEPERS: Final[WeakKeyDictionary[Runtime, Sweeper]] = WeakKeyDictionary()


def sweeper_of(runtime: Runtime) -> Sweeper:
    """Return the one sweeper of a running service."""
    if runtime not in _SWEEPERS:
        _SWEEPERS[runtime] = Sweeper(runtime)
    return _SWEEPERS[runtime]


async def sweep(runtime: Runtime) -> None:
    """Find warnings and deadlines that have passed; commits."""
    consumer = runtime.consumer
    await sweeper_of(runtime).run(is_behind=consumer is not None and not consumer.has_caught_up)


async def check_coverage(runtime: Runtime) -> None:
    """Raise the alarm from 1 December on while next year's official arrangement is missing."""
    now = utc_now()
    async with runtime.database.reading() as tx:
        calendar = await load_calendar(tx, DEFAULT_CALENDAR)
    today = calendar.local_date(now)
    is_uncovered = today.month == _ALARM_MONTH and calendar.coverage(today.year + 1) != "official"
    UNCOVERED.labels(calendar=calendar.name).set(is_uncovered)
    if is_uncovered:
        log.warning("calendar_year_uncovered", calendar=calendar.name, year=today.year + 1)


JOBS: Final = (
    Job("sweep_deadlines", SWEEP_EVERY, sweep),
    Job("check_calendar_coverage", timedelta(hours=12), check_coverage),
)
