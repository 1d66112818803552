"""The tables of sla: a ledger of facts, the clocks that follow from it, and the terms they are judged by.

The ledger is the truth. Clocks can be thrown away and computed again from `case_fact` and the terms that `sla_case`
names; they are stored to be listed, and to know what was told already.
"""

from typing import Final

from sqlalchemy import Column, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text

from huiyin_chassis import tables as chassis_tables
from huiyin_chassis.db import Json, UtcDateTime
from huiyin_eventbus import tables as eventbus_tables

metadata: Final = MetaData()

sla_case: Final = Table(
    "sla_case",
    metadata,
    Column("id", Text, primary_key=True),
    # Of the newest routing known; `routing` is its number, 0 before the first.
    Column("department", Text),
    Column("routing", Integer, nullable=False),
    # Kept from the start of the case: editing policies or calendars does not judge old work anew.
    Column("policies_version", Text, nullable=False),
    Column("calendar_version", Text, nullable=False),
    # When the sweep must look at it: the next warning or deadline of any of its clocks, none when all rest.
    Column("next_check_at", UtcDateTime),
    Column("opened_at", UtcDateTime, nullable=False),
)
"""Every case heard of; its row is the lock under which its facts and clocks change."""
Index(
    "ix_sla_case_next_check_at",
    sla_case.c.next_check_at,
    sqlite_where=sla_case.c.next_check_at.is_not(None),
    postgresql_where=sla_case.c.next_check_at.is_not(None),
)

case_fact: Final = Table(
    "case_fact",
    metadata,
    Column("case_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # Empty rather than null, because they are part of what makes two facts the same.
    Column("policy", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    PrimaryKeyConstraint("case_id", "kind", "sequence", "at", "policy", "outcome"),
    sqlite_with_rowid=False,
)
"""What is known of each case, as a set: only ever added to."""

clock: Final = Table(
    "clock",
    metadata,
    Column("ticket_id", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("department", Text),
    Column("policy", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("met_at", UtcDateTime),
    Column("paused_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("calendar", Text, nullable=False),
    Column("calendar_version", Text, nullable=False),
    # The highest share that was warned of, 0 before the first warning.
    Column("warned_percent", Integer, nullable=False),
    PrimaryKeyConstraint("ticket_id", "target", "cycle"),
    Index("ix_clock_department", "department", "ticket_id", "target", "cycle"),
    sqlite_with_rowid=False,
)
"""The clocks as last told to the other services."""

policies: Final = Table(
    "policies",
    metadata,
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("document", Json, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("ix_policies_version", "version"),
)
"""Every policy document there has been; the newest revision is in force for new cases."""

calendar: Final = Table(
    "calendar",
    metadata,
    Column("name", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("document", Json, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("name", "revision"),
    Index("ix_calendar_version", "version"),
)
"""Every calendar document there has been, by name; the newest revision is in force for new cases."""

sweep_mark: Final = Table(
    "sweep_mark",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seen_at", UtcDateTime, nullable=False),
)
"""One row: the latest time the sweep has seen, so that a clock set back is noticed after a restart too."""

eventbus_tables.add_tables(metadata)
chassis_tables.add_tables(metadata)
