"""`huiyin verify`: recounts across all databases and the log whether every event had its effect, once.

Everything is read and nothing is written. While the suite runs, a failing recount is repeated for a short time,
because what has just been accepted is still on its way; on a suite that stands still the first count is the last.
A check that needs rows of a service that is not installed is skipped: `ok` is null, which is no pass and no failure.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from huiyin_chassis import buschecks
from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Database
from huiyin_chassis.errors import DatabaseMissing, FactMissing
from huiyin_chassis.logbook import Logbook, read_log
from huiyin_chassis.migrate import check_current
from huiyin_chassis.service import Check, Fact, Service
from huiyin_chassis.unreachable import unreachable_in_one_line

if TYPE_CHECKING:
    from huiyin_chassis.settings import Settings
    from huiyin_eventbus.kafka import KafkaSettings

MOST_EXAMPLES: Final = 20
_PAUSE_SECONDS: Final = 0.5
_MOST_RENEWALS: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `count` things are wrong, of which some are told. `ok` is None for a skipped check."""

    name: str
    ok: bool | None
    count: int
    examples: list[str]

    @classmethod
    def of(cls, name: str, wrong: Sequence[str]) -> "Finding":
        """Return the finding of a check that ran."""
        return cls(name, not wrong, len(wrong), list(wrong[:MOST_EXAMPLES]))

    @classmethod
    def skipped(cls, name: str, missing: FactMissing) -> "Finding":
        """Return the finding of a check that could not run."""
        return cls(name, None, 0, [f"skipped: {missing}"])


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one recount."""

    checks: list[Finding]

    @property
    def ok(self) -> bool:
        """Tell whether no check failed."""
        return all(finding.ok is not False for finding in self.checks)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return {"ok": self.ok, "checks": [asdict(finding) for finding in self.checks]}


class Facts:
    """Rows of all services by name, read from the service that tells them: what checks recount with."""

    def __init__(self, facts: Mapping[str, tuple[Database, Fact]]) -> None:
        self._facts = facts

    async def facts(self, name: str) -> AsyncIterator[tuple[Any, ...]]:
        """Give the rows told under a name; raises FactMissing when no installed service tells them."""
        if name not in self._facts:
            raise FactMissing(name)
        database, tell = self._facts[name]
        async with database.reading() as tx:
            async for row in tell(tx):
                yield row


async def verify(
    services: Sequence[Service],
    databases: Mapping[str, Database],
    kafka: "KafkaSettings",
    *,
    patience_seconds: float,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Recount until all is well or patience is over, and return the last report. `progress` is told each step.

    Patience begins anew whenever a recount differs from the one before: a suite that is catching up is not wrong yet.
    It ends for good after twenty times as long, because under steady traffic something always moves.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_seconds
    end = loop.time() + patience_seconds * _MOST_RENEWALS
    before: Report | None = None
    while True:
        report = await _recount(services, databases, kafka, progress=progress)
        if before is not None and report != before:
            deadline = min(loop.time() + patience_seconds, end)
        if report.ok or loop.time() >= deadline:
            return report
        before = report
        progress("waiting for events on their way")
        await asyncio.sleep(_PAUSE_SECONDS)


@asynccontextmanager
async def opened(services: Sequence[Service], settings: "Settings") -> AsyncIterator[dict[str, Database]]:
    """Give the database of every service, schema checked.

    Raises DatabaseMissing, MigrationsPending, DatabaseIsNewer or DatabaseUnreachable.
    """
    async with AsyncExitStack() as stack:
        databases = {}
        for service in services:
            database = Database(settings.database_url_of(service.name))
            stack.push_async_callback(database.close)
            await _check_schema(database, service)
            databases[service.name] = database
        yield databases


async def _check_schema(database: Database, service: Service) -> None:
    # Opening a SQLite file that is not there would make it.
    if database.path is not None and not database.path.exists():
        raise DatabaseMissing(database.path)
    with unreachable_in_one_line(service):
        await check_current(database, service)


async def _recount(
    services: Sequence[Service],
    databases: Mapping[str, Database],
    kafka: "KafkaSettings",
    *,
    progress: Callable[[str], None],
) -> Report:
    progress("reading the log")
    logbook = await read_log(
        kafka,
        put_aside=await _unreadable_places(services, databases),
        aged_before=buschecks.inbox_begins(utc_now()),
    )
    findings = _findings_of_log(logbook)
    facts = Facts(
        {name: (databases[each.name], fact) for each in services for name, fact in each.facts.items()}
    )
    for service in services:
        progress(f"recounting {service.name}")
        findings += await _findings_of_bus(service, databases[service.name], logbook)
        findings += [await _finding_of(service, check, facts) for check in service.checks]
    return Report(findings)


async def _unreadable_places(services: Sequence[Service], databases: Mapping[str, Database]) -> set[str]:
    places: set[str] = set()
    for service in services:
        async with databases[service.name].reading() as tx:
            places |= await buschecks.unreadable_places(tx)
    return places


def _findings_of_log(logbook: Logbook) -> list[Finding]:
    # Sorted: partitions are read in no certain order, and two reports of the same log must be equal.
    unreadable = sorted(each for topic in logbook for each in topic.unreadable)
    broken = sorted(each for topic in logbook for each in topic.broken)
    return [
        Finding.of("log: every record is an event", unreadable),
        Finding.of("log: no gap in any sequence", broken),
    ]


async def _findings_of_bus(service: Service, database: Database, logbook: Logbook) -> list[Finding]:
    checks: dict[str, buschecks.BusCheck] = {
        "outbox drained": buschecks.outbox_drained,
        "no open dead letter": buschecks.no_open_dead_letter,
        "nothing parked": buschecks.nothing_parked,
        "log read to its end": buschecks.caught_up,
        "log as long as it was read": buschecks.log_not_shorter,
        "every event taken": buschecks.every_event_taken,
    }
    async with database.reading() as tx:
        return [
            Finding.of(f"{service.name}: {name}", await check(tx, service, logbook))
            for name, check in checks.items()
        ]


async def _finding_of(service: Service, check: Check, facts: Facts) -> Finding:
    name = f"{service.name}: {check.name}"
    try:
        return Finding.of(name, await check.run(facts))
    except FactMissing as missing:
        return Finding.skipped(name, missing)
