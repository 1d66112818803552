"""The tables the chassis keeps in each service's own database: API keys and answers to repeated requests.

They are the same in every service: `add_tables` puts them on the service's `MetaData`. Migrations make them from
`tables_v1`, which does not change with this module. The chassis itself works on the `Table` objects of this module.
"""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from huiyin_eventbus.columns import Json, UtcDateTime

METADATA: Final = MetaData()

api_key: Final = Table(
    "api_key",
    METADATA,
    Column("key_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    # Not unique: two keys of the same text are an error of the directory's, and must not stop its events here.
    Column("sha256", Text, nullable=False, index=True),
    Column("scopes", Json, nullable=False),
    Column("departments", Json, nullable=False),
    Column("person_id", Text),
    Column("rate_per_minute", Integer),
    Column("active", Boolean, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revision", Integer, nullable=False),
)
"""The keys this service lets in, as the directory last told it."""

idempotency: Final = Table(
    "idempotency",
    METADATA,
    Column("principal", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("principal", "key"),
    Index("ix_idempotency_created_at", "created_at"),
)
"""The answers given to requests with an `Idempotency-Key`, kept seven days."""


def add_tables(metadata: MetaData) -> None:
    """Add the chassis's tables to a service's own metadata."""
    for table in METADATA.sorted_tables:
        table.to_metadata(metadata)
