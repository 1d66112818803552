"""One table of notes."""

from sqlalchemy import Column, Integer, MetaData, String, Table, Text

from huiyin_chassis import tables as chassis_tables
from huiyin_chassis.db import Json, UtcDateTime
from huiyin_eventbus import tables as eventbus_tables

metadata = MetaData()

notes = Table(
    "notes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    Column("likes", Integer, nullable=False, default=0),
    Column("extra", Json, nullable=True),
    Column("written_at", UtcDateTime, nullable=False),
)

eventbus_tables.add_tables(metadata)
chassis_tables.add_tables(metadata)
