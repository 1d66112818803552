"""The tables of analytics: what is known of each case, and the rollup of what all cases add up to.

Every row belongs to a projection. One is live; a rebuild fills another beside it and takes its place in one commit.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from huiyin_chassis import tables as chassis_tables
from huiyin_chassis.db import Json, UtcDateTime
from huiyin_eventbus import tables as eventbus_tables

metadata: Final = MetaData()

projection: Final = Table(
    "projection",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("zone", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(
        "ux_projection_live",
        "state",
        unique=True,
        sqlite_where=text("state = 'live'"),
        postgresql_where=text("state = 'live'"),
    ),
)
"""The versions of everything below: `live`, `building` or `retired`, and the zone of their days."""

case_ledger: Final = Table(
    "case_ledger",
    metadata,
    Column("projection", Integer, nullable=False),
    Column("id", Text, nullable=False),
    Column("facts", Json, nullable=False),
    PrimaryKeyConstraint("projection", "id"),
)
"""All facts known of a case: a `domain.ledger.Ledger`."""

case_day: Final = Table(
    "case_day",
    metadata,
    Column("projection", Integer, nullable=False),
    Column("day", Text, nullable=False),
    Column("id", Text, nullable=False),
    PrimaryKeyConstraint("projection", "day", "id"),
    sqlite_with_rowid=False,
)
"""On which local dates (ISO texts) a case counts, so that the cases behind a figure are found."""

rollup: Final = Table(
    "rollup",
    metadata,
    Column("projection", Integer, nullable=False),
    Column("measure", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("bucket", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("nature", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subtype", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("store", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    PrimaryKeyConstraint(
        "projection",
        "measure",
        "day",
        "variant",
        "bucket",
        "channel",
        "nature",
        "type",
        "subtype",
        "department",
        "store",
        "urgency",
    ),
    sqlite_with_rowid=False,
)
"""What all cases add up to; `total` sums durations (milliseconds) and ratings (percents)."""

unit: Final = Table(
    "unit",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("names", Json, nullable=False),
    Column("revision", Integer, nullable=False),
)
"""What the directory calls its units, to name departments in answers."""

eventbus_tables.add_tables(metadata)
chassis_tables.add_tables(metadata)
