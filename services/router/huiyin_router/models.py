"""The router's tables. What the directory and the desk know (units, whether a ticket is open) is copied from events."""

from typing import Final

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text

from huiyin_chassis import tables as chassis_tables
from huiyin_chassis.db import Json, UtcDateTime
from huiyin_eventbus import tables as eventbus_tables

metadata: Final = MetaData()

classification: Final = Table(
    "classification",
    metadata,
    Column("feedback_id", Text, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("ticket_id", Text),
    Column("department", Text),
    Column("nature", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("subtype", Text, nullable=False),
    Column("subtype2", Text),
    Column("urgency", Text, nullable=False),
    Column("sentiment", Text, nullable=False),
    Column("complex", Boolean, nullable=False),
    Column("confidence", Json, nullable=False),
    Column("model", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("reason", Text),
    # What the classifier read in the text, beside the labels, for rules to ask.
    Column("read_lang", Text, nullable=False),
    Column("textless", Boolean, nullable=False),
    Column("wish_or_question", Boolean, nullable=False),
    Column("channel", Text, nullable=False),
    Column("account", Text, nullable=False),
    Column("author_id", Text),
    Column("kind", Text, nullable=False),
    Column("store", Text),
    Column("product", Text),
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("classified_at", UtcDateTime, nullable=False),
    Column("content", Text, nullable=False),
    Index("ix_classification_author", "channel", "account", "author_id", "occurred_at"),
    Index("ix_classification_outcome", "outcome", "received_at", "feedback_id"),
    Index("ix_classification_received_at", "received_at", "feedback_id"),
    Index("ix_classification_ticket_id", "ticket_id"),
)
"""What became of each feedback; `content` is its `feedback.received` as JSON, for routing it later."""

routed_case: Final = Table(
    "routed_case",
    metadata,
    Column("ticket_id", Text, primary_key=True),
    Column("department", Text, nullable=False),
    Column("routing", Integer, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("returned_by", Json, nullable=False),
)
"""Every ticket: where it was routed last, the desk's last version heard of, and who has returned it."""

correction: Final = Table(
    "correction",
    metadata,
    Column("id", Text, primary_key=True),
    Column("feedback_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    Column("before", Json, nullable=False),
    Column("after", Json, nullable=False),
    Column("corrected_at", UtcDateTime, nullable=False),
    Index("ix_correction_feedback_id", "feedback_id", "revision"),
)
"""Every change of a classification after the first, only ever added to."""

routing_rule: Final = Table(
    "routing_rule",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("position", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("when", Json, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("department", Text),
    Column("complex", Boolean, nullable=False),
    Column("priority", Integer),
    Column("revision", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index("ix_routing_rule_position", "position", "id"),
)
"""The rules in the order of `position`."""

unit: Final = Table(
    "unit",
    metadata,
    Column("slug", Text, primary_key=True),
    Column("stream", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("revision", Integer, nullable=False),
)
"""The directory's units, as last heard."""

eventbus_tables.add_tables(metadata)
chassis_tables.add_tables(metadata)
