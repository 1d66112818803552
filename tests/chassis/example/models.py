"""One table of notes."""

from sqlalchemy import Column, Integer, MetaData, String, Table, Text

from huiyin_chassis.db import Json, UtcDateTime

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
