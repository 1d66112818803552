"""Units, people and keys, and the tables of bus and chassis."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from huiyin_chassis import tables_v1 as chassis_tables
from huiyin_chassis.db import Json, UtcDateTime
from huiyin_eventbus import tables_v1 as eventbus_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    eventbus_tables.create_tables()
    chassis_tables.create_tables()
    op.create_table(
        "unit",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("slug", sa.Text, nullable=False, unique=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("names", Json, nullable=False),
        sa.Column("stream", sa.Boolean, nullable=False),
        *_state(),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("unit", sa.Text),
        sa.Column("roles", Json, nullable=False),
        *_state(),
    )
    op.create_index("ix_person_unit", "person", ["unit"])
    op.create_table(
        "made_key",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False, unique=True),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("departments", Json, nullable=False),
        sa.Column("person_id", sa.Text),
        sa.Column("rate_per_minute", sa.Integer),
        sa.Column("expires_at", UtcDateTime),
        *_state(),
    )


def _state() -> list[sa.Column[Any]]:
    return [
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
    ]
