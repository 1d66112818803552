"""Stores new posts with their events by one statement, which is its own transaction: for PostgreSQL.

There a transaction of two inserts is four trips to the server, and each of them wakes a process at both ends. SQLite has
nobody to wait for. What one statement cannot do is left to `receive_feedback`: repeats, and posts with a claim.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import to_json

from huiyin_chassis.db import OneStatement
from huiyin_contracts.feedback import FeedbackReceived
from huiyin_eventbus.outbox import Outgoing, rows_of_only_ones
from huiyin_intake.usecases import Receipt, Submission, in_order_of_keys

# A group is one JSON document: arrays, one per column, cost the driver five times as much. A post's content goes once,
# for the table and for the event, and what is there already brings no event.
_STORE: Final = """
WITH given AS MATERIALIZED (
  SELECT * FROM json_to_recordset(convert_from($1::bytea, 'UTF8')::json) AS given (
    id text, channel text, account text, external_id text, occurred_at timestamptz, received_at timestamptz,
    posted_by text, fingerprint text, event_id text, shard smallint, content json, headers json
  )
), stored AS (
  INSERT INTO feedback
    (id, channel, account, external_id, occurred_at, received_at, posted_by, fingerprint, content)
  SELECT id, channel, account, external_id, occurred_at, received_at, posted_by, fingerprint, content::text
  FROM given
  ON CONFLICT DO NOTHING
  RETURNING id
), told AS (
  INSERT INTO outbox (id, topic, key, shard, headers, payload, created_at)
  SELECT event_id, $2::text, id, shard, headers::text, convert_to(content::text, 'UTF8'), $3::timestamptz
  FROM given JOIN stored USING (id)
)
SELECT id FROM stored
"""


async def receive_new_feedback(
    commit: OneStatement, submissions: Sequence[Submission]
) -> list[Receipt | None]:
    """Store what is new of a group of posts, committed; return receipts in order, None for what is left alone.

    Where the database refuses it, nothing is stored.
    """
    fresh = in_order_of_keys(each for each in submissions if each.claim is None)
    stored = await _store(commit, fresh) if fresh else set()
    return [
        Receipt(each.event.feedback_id, is_duplicate=False) if each.event.feedback_id in stored else None
        for each in submissions
    ]


async def _store(commit: OneStatement, fresh: Sequence[Submission]) -> set[str]:
    """Return the ids of those that are stored now."""
    now = datetime.now(UTC)
    events = rows_of_only_ones(
        [Outgoing(each.event, data=each.content, traceparent=each.traceparent) for each in fresh], now=now
    )
    rows = [_row(each, event) for each, event in zip(fresh, events, strict=True)]
    given = b"[%s]" % b",".join(rows)
    return {row[0] for row in await commit(_STORE, given, FeedbackReceived.TYPE, now)}


def _row(submission: Submission, event_row: tuple[Any, ...]) -> bytes:
    event_id, _, key, shard, headers, content, _ = event_row
    event = submission.event
    plain = {
        "id": key,
        "channel": event.channel,
        "account": event.account,
        "external_id": event.external_id,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "posted_by": submission.posted_by,
        "fingerprint": submission.fingerprint,
        "event_id": event_id,
        "shard": shard,
    }
    # These two are JSON, and a column of type `json` keeps it to the letter.
    return b'%s,"content":%s,"headers":%s}' % (to_json(plain)[:-1], content, headers.encode())
