"""Tickets, their feedback, clocks and timeline; units and people; the tables of bus and chassis."""

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
        "ticket",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("routing", sa.Integer, nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.Column("assignee", sa.Text),
        sa.Column("nature", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("subtype", sa.Text, nullable=False),
        sa.Column("urgency", sa.Text, nullable=False),
        sa.Column("sentiment", sa.Text, nullable=False),
        sa.Column("complex", sa.Boolean, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("store", sa.Text),
        sa.Column("product", sa.Text),
        sa.Column("item", sa.Text),
        sa.Column("order_id", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("lang", sa.Text),
        sa.Column("author", Json),
        sa.Column("rating", Json),
        sa.Column("answer", sa.Text),
        sa.Column("answered_at", UtcDateTime),
        sa.Column("resolved_at", UtcDateTime),
        sa.Column("satisfied", sa.Boolean),
        sa.Column("paused_until", UtcDateTime),
        sa.Column("merged_into", sa.Text),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_ticket_queue", "ticket", ["department", "status", "priority", "due_at", "id"])
    op.create_index("ix_ticket_order", "ticket", ["priority", "due_at", "id"])
    op.create_index("ix_ticket_assignee", "ticket", ["assignee", "status"])
    op.create_index("ix_ticket_store", "ticket", ["store", "status"])
    op.create_index("ix_ticket_paused_until", "ticket", ["paused_until"])
    op.create_table(
        "ticket_feedback",
        sa.Column("feedback_id", sa.Text, primary_key=True),
        sa.Column("ticket_id", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("attached_at", UtcDateTime, nullable=False),
        sa.Column("announced", sa.Boolean, nullable=False),
    )
    op.create_index("ix_ticket_feedback_ticket_id", "ticket_feedback", ["ticket_id"])
    op.create_table(
        "ticket_clock",
        sa.Column("ticket_id", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("due_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "target", "cycle"),
    )
    op.create_table(
        "timeline",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("ticket_id", sa.Text, nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("department", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("details", Json, nullable=False),
    )
    op.create_index("ix_timeline_ticket_id", "timeline", ["ticket_id", "at", "id"])
    op.create_table(
        "unit",
        sa.Column("slug", sa.Text, primary_key=True),
        sa.Column("names", Json, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("unit", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
