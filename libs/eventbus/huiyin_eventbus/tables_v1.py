"""The bus's tables as each service's first migration makes them. Frozen: installations stand on it.

`tables` says what the bus needs today. A change there comes with a function of its own here beside, called by a new
migration of every service; this one stays, or new installations would differ from those that were migrated.
"""

import sqlalchemy as sa
from alembic import op

from huiyin_eventbus.columns import Counter, UtcDateTime


def create_tables() -> None:
    """Create the bus's tables; to be called inside the `upgrade` of an Alembic migration."""
    _create_outbox()
    _create_places()
    _create_retry()
    _create_dead_letter()


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", Counter, primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "outbox_sequence",
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("topic", "key"),
        sqlite_with_rowid=False,
    )


def _create_places() -> None:
    op.create_table(
        "inbox",
        sa.Column("grp", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("seen_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("grp", "event_id"),
        sa.Index("ix_inbox_seen_at", "seen_at"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "consumer_offset",
        sa.Column("grp", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("grp", "topic", "part"),
    )


def _create_retry() -> None:
    op.create_table(
        "retry",
        sa.Column("seq", Counter, primary_key=True, autoincrement=True),
        sa.Column("grp", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("off", sa.BigInteger, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("next_at", UtcDateTime, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("first_at", UtcDateTime, nullable=False),
        sa.Index("ix_retry_key", "grp", "key", "seq"),
        sa.Index("ix_retry_next_at", "grp", "next_at"),
        sqlite_autoincrement=True,
    )


def _create_dead_letter() -> None:
    op.create_table(
        "dead_letter",
        sa.Column("id", Counter, primary_key=True, autoincrement=True),
        sa.Column("grp", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("off", sa.BigInteger, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("error_class", sa.Text, nullable=False),
        sa.Column("error_text", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("first_at", UtcDateTime, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("reason", sa.Text),
        sa.UniqueConstraint("grp", "event_id"),
        sqlite_autoincrement=True,
    )
