"""Projections, ledgers of cases and the rollup, and the tables of bus and chassis."""

import sqlalchemy as sa
from alembic import op

from huiyin_chassis import tables_v1 as chassis_tables
from huiyin_chassis.db import Json, UtcDateTime
from huiyin_eventbus import tables_v1 as eventbus_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_DIMENSIONS = ("variant", "bucket", "channel", "nature", "type", "subtype", "department", "store", "urgency")


def upgrade() -> None:
    eventbus_tables.create_tables()
    chassis_tables.create_tables()
    op.create_table(
        "projection",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    )
    op.create_index(
        "ux_projection_live",
        "projection",
        ["state"],
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "case_ledger",
        sa.Column("projection", sa.Integer, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.PrimaryKeyConstraint("projection", "id"),
    )
    op.create_table(
        "case_day",
        sa.Column("projection", sa.Integer, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("projection", "day", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup",
        sa.Column("projection", sa.Integer, nullable=False),
        sa.Column("measure", sa.Text, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        *(
            sa.Column(name, sa.Integer if name == "bucket" else sa.Text, nullable=False)
            for name in _DIMENSIONS
        ),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("projection", "measure", "day", *_DIMENSIONS),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "unit",
        sa.Column("slug", sa.Text, primary_key=True),
        sa.Column("names", Json, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
