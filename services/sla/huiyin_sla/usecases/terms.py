"""The terms that cases are judged by: policies and calendars as versioned documents.

A version is named by its content. So what is parsed once can be kept for good, and a case keeps the terms it started
with by two names. The room for judging open cases anew, when the coming year's arrangement is published, is
`sla_case.calendar_version`: whoever changes it on purpose has the clocks follow at the next note or sweep.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version as version_of
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Row, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.etag import Precondition
from huiyin_eventbus.rows import insert_into
from huiyin_sla import queries
from huiyin_sla.domain.calendars import WorkCalendar
from huiyin_sla.domain.policies import DEFAULT_POLICIES, Policies, check_order
from huiyin_sla.errors import CalendarMalformed, CalendarNotFound, ChangedMeanwhile
from huiyin_sla.models import calendar, policies

log = structlog.get_logger()

DEFAULT_CALENDAR: Final = "cn"
"""The one calendar that cases run on in this version; others answer questions only."""
SHIPPED: Final = "shipped"
SETTING: Final = "HUIYIN_SLA_POLICIES"
_MOST_KEPT: Final = 64

TermsKey = tuple[str, str]
Parsed = TypeVar("Parsed", Policies, WorkCalendar)

_policies_kept: Final[dict[str, Policies]] = {}
_calendars_kept: Final[dict[str, WorkCalendar]] = {}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a case is judged by."""

    policies: Policies
    calendar: WorkCalendar


def policies_version(chosen: Policies) -> str:
    """Return `policies-hash`: it changes exactly when the content does."""
    canonical = json.dumps(chosen.to_dict(), sort_keys=True, separators=(",", ":"))
    return f"policies-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"


async def active_terms(tx: AsyncConnection) -> TermsKey:
    """Return the names of the terms in force for new cases; raises LookupError before the service has started."""
    chosen, days = await queries.active_versions(tx, DEFAULT_CALENDAR)
    if chosen is None or days is None:
        raise LookupError("there are no policies: the service has never started on this database")
    return chosen, days


async def policies_in_force(tx: AsyncConnection) -> Row[Any]:
    """Return the row of the policies in force for new cases; raises LookupError before the service has started."""
    row = await queries.active_policies(tx)
    if row is None:
        raise LookupError("there are no policies: the service has never started on this database")
    return row


async def load_terms(tx: AsyncConnection, keys: Iterable[TermsKey]) -> dict[TermsKey, Terms]:
    """Return the terms of these names; what was parsed before is not read again."""
    wanted = set(keys)
    chosen = await _load(
        tx, policies, {key[0] for key in wanted}, kept=_policies_kept, parse=Policies.from_dict
    )
    days = await _load(
        tx, calendar, {key[1] for key in wanted}, kept=_calendars_kept, parse=WorkCalendar.from_dict
    )
    return {key: Terms(chosen[key[0]], days[key[1]]) for key in wanted}


async def load_calendar(tx: AsyncConnection, name: str) -> WorkCalendar:
    """Return the calendar of a name in force; raises CalendarNotFound."""
    row = await queries.active_calendar(tx, name)
    if row is None:
        raise CalendarNotFound(name)
    return calendar_of(row)


def calendar_of(row: Row[Any]) -> WorkCalendar:
    """Return the calendar of a row, parsed once per version."""
    if row.version not in _calendars_kept:
        _keep(_calendars_kept, row.version, WorkCalendar.from_dict(row.document))
    return _calendars_kept[row.version]


async def save_policies(
    tx: AsyncConnection,
    document: Mapping[str, object],
    *,
    changed_by: str,
    now: datetime,
    if_match: Precondition | None = None,
) -> Row[Any]:
    """Put policies into force for new cases and return their row; the same content again changes nothing.

    Raises PolicyMalformed, ChangedMeanwhile, or a 412 Refusal when they have changed since they were read.
    """
    active = await queries.active_policies(tx)
    if active is not None and if_match is not None:
        if_match.check(active.revision)
    chosen = Policies.from_dict(document)
    check_order(chosen, calendar=await load_calendar(tx, DEFAULT_CALENDAR))
    version = policies_version(chosen)
    if active is not None and active.version == version:
        return active
    values = _stamped(chosen.to_dict(), version=version, changed_by=changed_by, now=now)
    values["revision"] = active.revision + 1 if active else 1
    await _add(tx, policies, values, key=["revision"])
    log.info("policies_changed", revision=values["revision"], version=version, changed_by=changed_by)
    return _expected(await queries.active_policies(tx), version=version)


async def save_calendar(
    tx: AsyncConnection,
    name: str,
    document: Mapping[str, object],
    *,
    changed_by: str,
    now: datetime,
    if_match: Precondition | None = None,
) -> Row[Any]:
    """Put a calendar into force for new cases and return its row; the same content again changes nothing.

    Raises CalendarMalformed, ChangedMeanwhile, or a 412 Refusal when it has changed since it was read.
    """
    active = await queries.active_calendar(tx, name)
    if if_match is not None:
        if_match.check(active.revision if active is not None else 0)
    days = WorkCalendar.from_dict({"name": name, **document})
    if days.name != name:
        raise CalendarMalformed("/name", f"must be {name}, as in the address")
    if active is not None and active.version == days.version:
        return active
    values = _stamped(days.to_dict(), version=days.version, changed_by=changed_by, now=now)
    values |= {"name": name, "revision": active.revision + 1 if active else 1}
    await _add(tx, calendar, values, key=["name", "revision"])
    log.info("calendar_changed", calendar=name, version=days.version, changed_by=changed_by)
    return _expected(await queries.active_calendar(tx, name), version=days.version)


async def seed_terms(tx: AsyncConnection, *, overriding: Mapping[str, object] | None, now: datetime) -> None:
    """Give a new database the shipped calendar and policies, and put those of the settings into force.

    A newer shipped calendar replaces an older shipped one, never one that an operator has edited.
    """
    await _seed_calendar(tx, now=now)
    if await queries.active_policies(tx) is None:
        await save_policies(tx, DEFAULT_POLICIES.to_dict(), changed_by=SHIPPED, now=now)
    if overriding is not None:
        await save_policies(tx, overriding, changed_by=SETTING, now=now)


async def _seed_calendar(tx: AsyncConnection, *, now: datetime) -> None:
    source = _source_of_days()
    active = await queries.active_calendar(tx, DEFAULT_CALENDAR)
    if active is not None and (active.changed_by == source or not active.changed_by.startswith(SHIPPED)):
        return
    # Imported late: the libraries behind it take a third of a second, which only a first start needs.
    from huiyin_sla.domain.china import china_calendar  # noqa: PLC0415

    await save_calendar(tx, DEFAULT_CALENDAR, china_calendar().to_dict(), changed_by=source, now=now)


def _source_of_days() -> str:
    return f"{SHIPPED}: chinesecalendar {version_of('chinesecalendar')}, holidays {version_of('holidays')}"


async def _load(
    tx: AsyncConnection,
    table: Table,
    versions: set[str],
    *,
    kept: dict[str, Parsed],
    parse: Callable[[Mapping[str, object]], Parsed],
) -> dict[str, Parsed]:
    found = {version: kept[version] for version in versions if version in kept}
    missing = versions - found.keys()
    if missing:
        for version, document in (await queries.documents(tx, table, missing)).items():
            found[version] = _keep(kept, version, parse(document))
    return found


def _keep(kept: dict[str, Parsed], version: str, parsed: Parsed) -> Parsed:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    kept[version] = parsed
    return parsed


def _stamped(
    document: Mapping[str, object], *, version: str, changed_by: str, now: datetime
) -> dict[str, Any]:
    return {"document": document, "version": version, "changed_by": changed_by, "changed_at": now}


async def _add(tx: AsyncConnection, table: Table, values: dict[str, Any], *, key: list[str]) -> None:
    put = insert_into(tx.dialect.name, table).values(values)
    await tx.execute(put.on_conflict_do_nothing(index_elements=key))


def _expected(row: Row[Any] | None, *, version: str) -> Row[Any]:
    """Return the row in force when it is ours, or that of another process with the same content."""
    if row is None or row.version != version:
        raise ChangedMeanwhile
    return row
