"""Join the event bus."""

from huiyin_chassis.tables_v1 import create_tables as create_chassis_tables
from huiyin_eventbus.tables_v1 import create_tables as create_bus_tables

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_bus_tables()
    create_chassis_tables()
