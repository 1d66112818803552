"""The tables the bus keeps in each service's own database, so that effects and messages commit together.

They are the same in every service: `add_tables` puts them on the service's `MetaData`. Migrations make them from
`tables_v1`, which does not change with this module. The bus itself works on the `Table` objects of this module.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from huiyin_eventbus.columns import Counter, UtcDateTime

METADATA: Final = MetaData()

outbox: Final = Table(
    "outbox",
    METADATA,
    Column("seq", Counter, primary_key=True, autoincrement=True),
    # Not unique: an id may be published again by design (a deterministic id); the readers' inboxes drop it.
    Column("id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("headers", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # Without AUTOINCREMENT SQLite gives the numbers of deleted rows again, and the relay deletes all the time.
    sqlite_autoincrement=True,
)
"""Events that are committed but not yet acknowledged by the broker, ready to send, in order of `seq`."""

outbox_sequence: Final = Table(
    "outbox_sequence",
    METADATA,
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("last", BigInteger, nullable=False),
    PrimaryKeyConstraint("topic", "key"),
    sqlite_with_rowid=False,
)
"""The last `ce_sequence` given per topic and key; its row lock makes the order of `seq` that of the commits."""

inbox: Final = Table(
    "inbox",
    METADATA,
    Column("grp", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("grp", "event_id"),
    Index("ix_inbox_seen_at", "seen_at"),
    sqlite_with_rowid=False,
)
"""Every event a group has taken, so that a second delivery changes nothing."""

consumer_offset: Final = Table(
    "consumer_offset",
    METADATA,
    Column("grp", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("grp", "topic", "part"),
)
"""Where a group reads on; `epoch` grows with each new owner, so that a former one cannot move it."""

retry: Final = Table(
    "retry",
    METADATA,
    Column("seq", Counter, primary_key=True, autoincrement=True),
    Column("grp", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("off", BigInteger, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary),
    Column("attempt", Integer, nullable=False),
    Column("next_at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Index("ix_retry_key", "grp", "key", "seq"),
    Index("ix_retry_next_at", "grp", "next_at"),
    sqlite_autoincrement=True,
)
"""Events to be tried again, and those of the same key that wait behind them, in order of `seq`."""

dead_letter: Final = Table(
    "dead_letter",
    METADATA,
    Column("id", Counter, primary_key=True, autoincrement=True),
    Column("grp", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("part", Integer, nullable=False),
    Column("off", BigInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary),
    Column("error_class", Text, nullable=False),
    Column("error_text", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("actor", Text),
    Column("reason", Text),
    UniqueConstraint("grp", "event_id"),
    sqlite_autoincrement=True,
)
"""Events that no retry will help: open, redriven or discarded."""


def add_tables(metadata: MetaData) -> None:
    """Add the bus's tables to a service's own metadata."""
    for table in METADATA.sorted_tables:
        table.to_metadata(metadata)
