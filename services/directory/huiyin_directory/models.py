"""The directory's tables; each row carries a revision that grows with every change."""

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text

from huiyin_chassis import tables as chassis_tables
from huiyin_chassis.db import Json, UtcDateTime
from huiyin_eventbus import tables as eventbus_tables

metadata: Final = MetaData()

unit: Final = Table(
    "unit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("parent", Text),
    Column("names", Json, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)

person: Final = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("unit", Text),
    Column("roles", Json, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("ix_person_unit", "unit"),
)

made_key: Final = Table(
    "made_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    Column("scopes", Json, nullable=False),
    Column("departments", Json, nullable=False),
    Column("person_id", Text),
    Column("rate_per_minute", Integer),
    Column("active", Boolean, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revision", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
)
"""The keys this directory has made; what a service checks is its own copy, fed by `key.changed`."""

eventbus_tables.add_tables(metadata)
chassis_tables.add_tables(metadata)
