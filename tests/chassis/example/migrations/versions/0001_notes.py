"""Create the notes."""

import sqlalchemy as sa
from alembic import op

from huiyin_chassis.db import Json, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("extra", Json, nullable=True),
        sa.Column("written_at", UtcDateTime, nullable=False),
    )
