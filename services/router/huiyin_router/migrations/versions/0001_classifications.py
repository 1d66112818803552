"""Classifications and their corrections, routed tickets, routing rules, units; the tables of bus and chassis."""

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
        "classification",
        sa.Column("feedback_id", sa.Text, primary_key=True),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("ticket_id", sa.Text),
        sa.Column("department", sa.Text),
        sa.Column("nature", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("subtype", sa.Text, nullable=False),
        sa.Column("subtype2", sa.Text),
        sa.Column("urgency", sa.Text, nullable=False),
        sa.Column("sentiment", sa.Text, nullable=False),
        sa.Column("complex", sa.Boolean, nullable=False),
        sa.Column("confidence", Json, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("read_lang", sa.Text, nullable=False),
        sa.Column("textless", sa.Boolean, nullable=False),
        sa.Column("wish_or_question", sa.Boolean, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("author_id", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("store", sa.Text),
        sa.Column("product", sa.Text),
        sa.Column("occurred_at", UtcDateTime, nullable=False),
        sa.Column("received_at", UtcDateTime, nullable=False),
        sa.Column("classified_at", UtcDateTime, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
    )
    op.create_index(
        "ix_classification_author", "classification", ["channel", "account", "author_id", "occurred_at"]
    )
    op.create_index("ix_classification_outcome", "classification", ["outcome", "received_at", "feedback_id"])
    op.create_index("ix_classification_received_at", "classification", ["received_at", "feedback_id"])
    op.create_index("ix_classification_ticket_id", "classification", ["ticket_id"])
    op.create_table(
        "routed_case",
        sa.Column("ticket_id", sa.Text, primary_key=True),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("routing", sa.Integer, nullable=False),
        sa.Column("is_open", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("returned_by", Json, nullable=False),
    )
    op.create_table(
        "correction",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("feedback_id", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("before", Json, nullable=False),
        sa.Column("after", Json, nullable=False),
        sa.Column("corrected_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_correction_feedback_id", "correction", ["feedback_id", "revision"])
    op.create_table(
        "routing_rule",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("when", Json, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("department", sa.Text),
        sa.Column("complex", sa.Boolean, nullable=False),
        sa.Column("priority", sa.Integer),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
    )
    op.create_index("ix_routing_rule_position", "routing_rule", ["position", "id"])
    op.create_table(
        "unit",
        sa.Column("slug", sa.Text, primary_key=True),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
