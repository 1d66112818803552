"""Cases, facts, clocks; policies and calendars; the tables of bus and chassis."""

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
        "sla_case",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("department", sa.Text),
        sa.Column("routing", sa.Integer, nullable=False),
        sa.Column("policies_version", sa.Text, nullable=False),
        sa.Column("calendar_version", sa.Text, nullable=False),
        sa.Column("next_check_at", UtcDateTime),
        sa.Column("opened_at", UtcDateTime, nullable=False),
    )
    waiting = sa.text("next_check_at IS NOT NULL")
    op.create_index(
        "ix_sla_case_next_check_at",
        "sla_case",
        ["next_check_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_table(
        "case_fact",
        sa.Column("case_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("case_id", "kind", "sequence", "at", "policy", "outcome"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "clock",
        sa.Column("ticket_id", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("department", sa.Text),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("met_at", UtcDateTime),
        sa.Column("paused_at", UtcDateTime),
        sa.Column("ended_at", UtcDateTime),
        sa.Column("calendar", sa.Text, nullable=False),
        sa.Column("calendar_version", sa.Text, nullable=False),
        sa.Column("warned_percent", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "target", "cycle"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_clock_department", "clock", ["department", "ticket_id", "target", "cycle"])
    op.create_table(
        "policies",
        sa.Column("revision", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_policies_version", "policies", ["version"])
    op.create_table(
        "calendar",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("document", Json, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("name", "revision"),
    )
    op.create_index("ix_calendar_version", "calendar", ["version"])
    op.create_table(
        "sweep_mark",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
    )
