"""The desk's tables. What other services know (units, people, clocks) is copied here from their events."""

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, PrimaryKeyConstraint, Table, Text, text

from huiyin_chassis import tables as chassis_tables
from huiyin_chassis.db import Json, UtcDateTime
from huiyin_eventbus import tables as eventbus_tables

metadata: Final = MetaData()


def _index_of_present(name: str, column: str, *others: str) -> Index:
    """Return an index of the rows that have a value in its first column."""
    is_there = text(f"{column} IS NOT NULL")
    return Index(name, column, *others, sqlite_where=is_there, postgresql_where=is_there)


ticket: Final = Table(
    "ticket",
    metadata,
    Column("id", Text, primary_key=True),
    Column("department", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("routing", Integer, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("assignee", Text),
    Column("nature", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subtype", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("sentiment", Text, nullable=False),
    Column("complex", Boolean, nullable=False),
    Column("channel", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("store", Text),
    Column("product", Text),
    Column("item", Text),
    Column("order_id", Text),
    Column("subject", Text),
    Column("text", Text, nullable=False),
    Column("lang", Text),
    Column("author", Json),
    Column("rating", Json),
    Column("answer", Text),
    Column("answered_at", UtcDateTime),
    Column("resolved_at", UtcDateTime),
    Column("satisfied", Boolean),
    Column("paused_until", UtcDateTime),
    Column("merged_into", Text),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_ticket_queue", "department", "status", "priority", "due_at", "id"),
    Index("ix_ticket_order", "priority", "due_at", "id"),
    # Only of tickets that have one: most have none, and every ticket would pay for its entries.
    _index_of_present("ix_ticket_assignee", "assignee", "status"),
    _index_of_present("ix_ticket_store", "store", "status"),
    _index_of_present("ix_ticket_paused_until", "paused_until"),
)
"""Every ticket, in any status; `due_at` is the year 9999 when nothing is due."""

ticket_feedback: Final = Table(
    "ticket_feedback",
    metadata,
    Column("feedback_id", Text, primary_key=True),
    Column("ticket_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("attached_at", UtcDateTime, nullable=False),
    # A follow-up may be heard of before its ticket: the topics promise no order between them.
    Column("announced", Boolean, nullable=False),
    Index("ix_ticket_feedback_ticket_id", "ticket_id"),
)
"""Which feedback a ticket answers: the first one and what was attached."""

ticket_clock: Final = Table(
    "ticket_clock",
    metadata,
    Column("ticket_id", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    # Which version of `sla.scheduled` told it: topics have no order between them, so the later contract's word holds.
    Column("contract_version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("ticket_id", "target", "cycle"),
)
"""The clocks as sla last told them."""

timeline: Final = Table(
    "timeline",
    metadata,
    Column("id", Text, primary_key=True),
    Column("ticket_id", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text),
    Column("department", Text),
    Column("reason", Text),
    Column("text", Text),
    Column("details", Json, nullable=False),
    Index("ix_timeline_ticket_id", "ticket_id", "at", "id"),
)
"""What happened to each ticket, only ever added to."""

unit: Final = Table(
    "unit",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("names", Json, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
)
"""The directory's units, as last heard."""

person: Final = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("unit", Text),
    Column("active", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
)
"""The directory's people, as last heard."""

eventbus_tables.add_tables(metadata)
chassis_tables.add_tables(metadata)
