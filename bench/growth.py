"""Lets what the services have stored grow at once, by copying rows in their databases: for measures at ten times the size.

Through the chain it would take minutes. Every copied row gets ids of its own, the same in all services, so that each copy
is a case as whole as the one it was made of. Not copied: the log, the outboxes, and the rollups, whose number of rows
depends on days and words and not on how many cases there are.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import ColumnElement, Insert, Table, func, insert, literal, select

from bench.installations import Installation
from huiyin_chassis.db import Database
from huiyin_chassis.service import load_service

_MARK: Final = "~"
_EVERYWHERE: Final = {"inbox": ("event_id",), "outbox_sequence": ("key",)}
_GROWING: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "intake": {"feedback": ("id", "external_id")},
    "router": {"classification": ("feedback_id", "ticket_id", "author_id"), "routed_case": ("ticket_id",)},
    "sla": {"sla_case": ("id",), "case_fact": ("case_id",), "clock": ("ticket_id",)},
    "desk": {
        "ticket": ("id",),
        "ticket_feedback": ("feedback_id", "ticket_id"),
        "ticket_clock": ("ticket_id",),
        "timeline": ("id", "ticket_id"),
    },
    "analytics": {"case_ledger": ("id",), "case_day": ("id",)},
}
"""By service and table, the columns that tell one case from another."""


async def grow(installed: Installation, *, times: int) -> int:
    """Make all stored cases that many times as many, and return how many feedbacks intake has then.

    The installation's services must stand still. Commits per service.
    """
    for name, tables in _GROWING.items():
        metadata = load_service(name).metadata
        database = Database(installed.database_url_of(name))
        try:
            async with database.writing() as tx:
                for table, keys in {**tables, **_EVERYWHERE}.items():
                    for copy in range(1, times):
                        await tx.execute(copying(metadata.tables[table], keys, copy=copy))
            if installed.database_seconds():
                async with database.writing() as tx:
                    await tx.exec_driver_sql("ANALYZE")
        finally:
            await database.close()
    return await _count(installed)


def copying(table: Table, keys: tuple[str, ...], *, copy: int) -> Insert:
    """Return the statement that copies all original rows of a table once, under ids of their own."""
    selected: list[ColumnElement[str]] = [
        column.concat(f"{_MARK}{copy}") if column.name in keys else column for column in table.columns
    ]
    originals = select(*selected).where(table.c[keys[0]].not_like(literal(f"%{_MARK}%")))
    return insert(table).from_select([column.name for column in table.columns], originals)


async def _count(installed: Installation) -> int:
    table = load_service("intake").metadata.tables["feedback"]
    database = Database(installed.database_url_of("intake"))
    try:
        async with database.reading() as tx:
            return int(await tx.scalar(select(func.count()).select_from(table)) or 0)
    finally:
        await database.close()
