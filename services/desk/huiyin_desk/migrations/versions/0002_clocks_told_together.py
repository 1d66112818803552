"""Which contract told of a clock: the word of `sla.scheduled.v2` holds against that of `sla.scheduled`."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    version = sa.Column("contract_version", sa.Integer, nullable=False, server_default="1")
    op.add_column("ticket_clock", version)
