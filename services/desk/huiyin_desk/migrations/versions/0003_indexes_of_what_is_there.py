"""Indexes of assignees, stores and pauses hold only the tickets that have one: most have none, and pay for each entry."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INDEXES: Final = {
    "ix_ticket_assignee": ["assignee", "status"],
    "ix_ticket_store": ["store", "status"],
    "ix_ticket_paused_until": ["paused_until"],
}


def upgrade() -> None:
    for name, columns in _INDEXES.items():
        is_there = sa.text(f"{columns[0]} IS NOT NULL")
        op.drop_index(name, "ticket")
        op.create_index(name, "ticket", columns, sqlite_where=is_there, postgresql_where=is_there)
