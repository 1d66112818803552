"""Intake's tables. A feedback's content is kept as the bytes of its event: encoded once, never rebuilt."""

from typing import Final

from sqlalchemy import Column, Index, MetaData, Table, Text, UniqueConstraint

from huiyin_chassis import tables as chassis_tables
from huiyin_chassis.db import UtcDateTime
from huiyin_eventbus import tables as eventbus_tables

metadata: Final = MetaData()

feedback: Final = Table(
    "feedback",
    metadata,
    # UUIDv7: ids that grow with time keep inserts at the end of the index (performance target T17).
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("posted_by", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("content", Text, nullable=False),
    UniqueConstraint("channel", "account", "external_id", name="uq_feedback_natural_key"),
    Index("ix_feedback_posted_by", "posted_by", "id"),
)
"""Every accepted feedback, once per natural key."""

eventbus_tables.add_tables(metadata)
chassis_tables.add_tables(metadata)
