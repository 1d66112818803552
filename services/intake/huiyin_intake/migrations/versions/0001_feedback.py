"""Feedback, and the tables of bus and chassis."""

import sqlalchemy as sa
from alembic import op

from huiyin_chassis import tables_v1 as chassis_tables
from huiyin_chassis.db import UtcDateTime
from huiyin_eventbus import tables_v1 as eventbus_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    eventbus_tables.create_tables()
    chassis_tables.create_tables()
    op.create_table(
        "feedback",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("posted_by", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.UniqueConstraint("channel", "account", "external_id", name="uq_feedback_natural_key"),
    )
    op.create_index("ix_feedback_posted_by", "feedback", ["posted_by", "id"])
