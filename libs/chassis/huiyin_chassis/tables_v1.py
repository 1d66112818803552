"""The chassis's tables as each service's first migration makes them. Frozen: see the bus's `tables_v1`."""

import sqlalchemy as sa
from alembic import op

from huiyin_eventbus.columns import Json, UtcDateTime


def create_tables() -> None:
    """Create the chassis's tables; to be called inside the `upgrade` of an Alembic migration."""
    op.create_table(
        "api_key",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False, index=True),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("departments", Json, nullable=False),
        sa.Column("person_id", sa.Text),
        sa.Column("rate_per_minute", sa.Integer),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("expires_at", UtcDateTime),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "idempotency",
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("principal", "key"),
        sa.Index("ix_idempotency_created_at", "created_at"),
    )
