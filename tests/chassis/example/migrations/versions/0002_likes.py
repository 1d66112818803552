"""Count likes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("notes") as notes:
        notes.add_column(sa.Column("likes", sa.Integer, nullable=False, server_default="0"))
    with op.batch_alter_table("notes") as notes:
        notes.alter_column("likes", existing_type=sa.Integer, existing_nullable=False, server_default=None)
