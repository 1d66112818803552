"""The log file: its tables, its pragmas, and the checks before it is opened.

One row per record batch. `user_version` is the version of this schema, `application_id` tells the file from any
other SQLite file. WAL with synchronous=FULL: a commit that returned survives a power loss, if the disk keeps its
word. Ids of topics and partitions are never used again, so nothing left of a deleted one can be taken for a new one's.
"""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Final, TextIO

from huiyin_broker.errors import LogLocked, LogUnusable

VERSION: Final = 1
APPLICATION_ID: Final = 0x48594252  # "HYBR"

_TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, uuid BLOB NOT NULL, name TEXT NOT NULL UNIQUE, configs TEXT NOT NULL
);
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic_id INTEGER NOT NULL, number INTEGER NOT NULL,
    log_start INTEGER NOT NULL, next_offset INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
    UNIQUE (topic_id, number)
);
CREATE TABLE batches (
    seq INTEGER PRIMARY KEY, partition_id INTEGER NOT NULL, base_offset INTEGER NOT NULL,
    last_offset INTEGER NOT NULL, max_timestamp INTEGER NOT NULL, size_bytes INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE UNIQUE INDEX batches_by_offset
    ON batches (partition_id, base_offset, last_offset, max_timestamp, size_bytes);
CREATE TABLE producers (
    partition_id INTEGER NOT NULL, producer_id INTEGER NOT NULL, epoch INTEGER NOT NULL,
    batches TEXT NOT NULL, seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (partition_id, producer_id)
) WITHOUT ROWID;
CREATE TABLE group_offsets (
    group_id TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    leader_epoch INTEGER NOT NULL, metadata TEXT, committed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (group_id, topic, partition)
) WITHOUT ROWID;
"""


def lock_log(path: Path) -> TextIO:
    """Take the lock beside the log and return it; it is held until closed. Raises LogLocked or LogUnusable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock").open("a")
    except OSError as error:
        raise LogUnusable(path, error.strerror or str(error)) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise LogLocked(path) from error
    return lock


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the log for writing, making it, readable for its owner alone, when it is new. Blocks.

    Raises LogUnusable.
    """
    if path.exists() and not os.access(path, os.W_OK):
        raise LogUnusable(path, "it is read-only")
    connection = None
    try:
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        _prepare(connection, path)
    except (sqlite3.Error, OSError, LogUnusable) as error:
        if connection is not None:
            connection.close()
        if isinstance(error, LogUnusable):
            raise
        raise LogUnusable(path, str(error)) from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open the log for reading beside the writer. The connection may move between threads, one at a time."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    application_id, version = _identity(connection)
    if version > VERSION and application_id == APPLICATION_ID:
        raise LogUnusable(
            path, f"it was written by a newer version (log version {version}, known: {VERSION})"
        )
    if application_id != APPLICATION_ID and not _is_empty(connection):
        raise LogUnusable(path, "it is not a broker log")
    if application_id != APPLICATION_ID:
        # Only a file without tables takes it; it lets retention give space back to the disk.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if application_id != APPLICATION_ID:
        connection.executescript(
            f"BEGIN; {_TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
        )


def _identity(connection: sqlite3.Connection) -> tuple[int, int]:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application_id, version


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
