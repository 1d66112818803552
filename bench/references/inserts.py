"""The databases' own limit for accepting: one feedback row and one outbox row per accepted feedback, nothing else.

On PostgreSQL pgbench sends the two inserts in a transaction of its own per feedback. SQLite has no client to wait for: a
plain loop writes as many feedbacks per commit as there are requests at a time, which is what coalescing them can reach.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time
from typing import Final
from uuid import uuid4

from bench.servers import DurablePostgreSQL
from bench.texts import complaint

_FEEDBACK: Final = """
CREATE TABLE feedback (id text PRIMARY KEY, channel text NOT NULL, account text NOT NULL, external_id text NOT NULL,
  occurred_at text NOT NULL, received_at text NOT NULL, posted_by text NOT NULL, fingerprint text NOT NULL,
  content text NOT NULL, UNIQUE (channel, account, external_id));
CREATE INDEX feedback_posted_by ON feedback (posted_by, id);
"""
_POSTGRESQL: Final = (
    _FEEDBACK.replace("occurred_at text", "occurred_at timestamptz").replace(
        "received_at text", "received_at timestamptz"
    )
    + """
CREATE TABLE outbox (seq bigserial PRIMARY KEY, id text NOT NULL, topic text NOT NULL, key text NOT NULL,
  shard smallint NOT NULL, headers text NOT NULL, payload bytea NOT NULL, created_at timestamptz NOT NULL);
"""
)
_SQLITE: Final = (
    "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;"
    + _FEEDBACK
    + """
CREATE TABLE outbox (seq integer PRIMARY KEY AUTOINCREMENT, id text NOT NULL, topic text NOT NULL,
  key text NOT NULL, shard integer NOT NULL, headers text NOT NULL, payload blob NOT NULL, created_at text NOT NULL);
"""
)
_CONTENT: Final = json.dumps(complaint(1), ensure_ascii=False)
_HEADERS: Final = "ce_" * 170
_NOW: Final = "2026-11-22T08:15:30.000000+00:00"


def prepare_pgbench(server: DurablePostgreSQL, folder: Path) -> tuple[str, Path]:
    """Make a database with the two tables; return its name and the file of pgbench's script."""
    database = server.create_database()
    server.psql(_POSTGRESQL, database=database)
    content = _CONTENT.replace("'", "''").replace(":", "\\u003a")
    script = folder / f"{database}.sql"
    script.write_text(
        "\\set x random(1, 15)\nBEGIN;\n"
        "INSERT INTO feedback VALUES (gen_random_uuid()::text, 'app', '', gen_random_uuid()::text, now(), now(), "
        f"'key', 'f', '{content}');\n"
        "INSERT INTO outbox (id, topic, key, shard, headers, payload, created_at) VALUES (gen_random_uuid()::text, "
        f"'feedback.received', gen_random_uuid()::text, 1, '{_HEADERS}', convert_to('{content}', 'UTF8'), now());\n"
        "COMMIT;\n",
        encoding="utf-8",
    )
    return database, script


def pgbench_rate(
    server: DurablePostgreSQL, database: str, script: Path, *, clients: int, seconds: float
) -> float:
    """Return pgbench's transactions per second, with prepared statements; it counts whole seconds."""
    whole = str(max(1, round(seconds)))
    told = server.pgbench(
        database, "-n", "-M", "prepared", "-f", str(script), "-c", str(clients), "-j", "1", "-T", whole
    )
    return float(told.split("tps = ", 1)[1].split()[0])


def sqlite_rate(path: Path, *, per_commit: int, seconds: float) -> dict[str, float]:
    """Write pairs of rows for so long; return feedbacks per second and CPU per feedback."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            connection.executescript(_SQLITE)
        connection.execute("PRAGMA synchronous=FULL")
        began, cpu, done = perf_counter(), process_time(), 0
        while perf_counter() - began < seconds:
            _commit(connection, per_commit)
            done += per_commit
        span, used = perf_counter() - began, process_time() - cpu
    return {"items_per_second": done / span, "app_us": 1e6 * used / done}


def _commit(connection: sqlite3.Connection, count: int) -> None:
    keys = [uuid4().hex for _ in range(count)]
    feedback = [(key, "app", "", key, _NOW, _NOW, "key", "f", _CONTENT) for key in keys]
    events = [(key, "feedback.received", key, 1, _HEADERS, _CONTENT.encode(), _NOW) for key in keys]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", feedback)
    insert = "INSERT INTO outbox (id, topic, key, shard, headers, payload, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
    connection.executemany(insert, events)
    connection.execute("COMMIT")
