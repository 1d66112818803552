"""F9: the disks under the broker and under the databases fill up in turn, and get their room back."""

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from tests.faults.disks import Disk, is_full
from tests.faults.history import ACCEPTED
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import SERVICES, eventually
from tests.support.kafka import Kafka
from tests.support.postgresql import PostgreSQL

_MEGABYTES = 96
_ENOUGH_POSTS = 3
_LOOK_SECONDS = 0.2
# More than the write-ahead log keeps ready for use.
_MOST_SEGMENTS = 32


def _disks_full(stage: Stage) -> None:
    """Fill each disk in turn, and give the room back without a restart of any service.

    PostgreSQL and Kafka end by themselves on a full disk, PostgreSQL when its write-ahead log has no room and Kafka with
    its only log folder. Once there is room they are started again, as their operators would.
    """
    stack = stage.stack
    before = _processes(stage)
    if stack.postgresql is None or stack.kafka is None:
        _full_files(stage)
    else:
        _full_kafka(stage, stack.kafka)
        _full_postgresql(stage, stack.postgresql)
    stage.expect("no service had to be started again", holds=_processes(stage) == before)


def _processes(stage: Stage) -> dict[str, tuple[int, bool]]:
    processes = {name: stage.stack.process_of(name) for name in SERVICES}
    return {name: (process.pid, process.is_alive) for name, process in processes.items()}


def _full_files(stage: Stage) -> None:
    """Fill the embedded broker's disk, intake's and the desk's, and the broker's again, which is killed meanwhile."""
    stack = stage.stack
    store, intake, desk = (stack.disks[name] for name in ("broker", "intake", "desk"))
    _fill(stage, store)
    time.sleep(stage.seconds / 2)
    _free(stage, store)
    stage.recovered(stack.passes_through())
    _full_intake(stage, intake)
    _fill(stage, desk)
    time.sleep(stage.seconds / 4)
    _free(stage, desk)
    stage.recovered(stack.passes_through())
    _fill(stage, store)
    time.sleep(stage.seconds / 4)
    stack.kill_broker()
    _free(stage, store)
    stack.start_broker()
    stage.recovered(stack.passes_through())


def _full_intake(stage: Stage, disk: Disk) -> None:
    # A write-ahead log that has grown is written anew from its beginning, and so takes a while longer to be full.
    with closing(sqlite3.connect(stage.stack.database_file("intake"), timeout=20)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _fill(stage, disk)
    time.sleep(stage.seconds / 4)
    began = datetime.now(UTC)
    time.sleep(stage.seconds / 4)
    eventually(lambda: len(_asked(stage, began)) >= _ENOUGH_POSTS)
    _judge_refusals(stage, since=began)
    taken = [line for line in _asked(stage, began) if _is_taken(line) and not line["duplicate"]]
    stage.expect("intake takes nothing without room", holds=not taken)
    _free(stage, disk)
    stage.recovered(stage.stack.passes_through())


def _full_kafka(stage: Stage, kafka: Kafka) -> None:
    """Fill Kafka's disk until it gives up; intake goes on taking, and its outbox keeps what was taken."""
    disk, began = stage.stack.disks["broker"], datetime.now(UTC)
    _fill(stage, disk)
    stage.figures["kafka_halted_after_seconds"] = round(eventually(lambda: not kafka.is_alive), 2)
    stage.stack.history.fault("halted", process="kafka")
    time.sleep(stage.seconds / 2)
    posts = _asked(stage, began)
    stage.expect("intake takes feedback while the log has no room", holds=all(map(_is_taken, posts)))
    stage.expect("there was feedback to take", holds=len(posts) >= _ENOUGH_POSTS)
    _free(stage, disk)
    stage.stack.start_broker()
    stage.recovered(stage.stack.passes_through())


def _full_postgresql(stage: Stage, server: PostgreSQL) -> None:
    """Fill the disk of all databases: first no table can grow, then the write-ahead log cannot."""
    disk, began = stage.stack.disks["postgresql"], datetime.now(UTC)
    _fill(stage, disk)
    _keep_full(disk, seconds=stage.seconds / 2)
    _judge_refusals(stage, since=began)
    _use_up_log(server, disk)
    stage.stack.history.fault("log_used_up", process="postgresql")
    _keep_full(disk, seconds=stage.seconds / 2)
    _judge_refusals(stage, since=began)
    stage.figures["postgresql_ended"] = not server.is_alive
    _free(stage, disk)
    if not server.is_alive:
        server.start()
        stage.stack.history.fault("started", process="postgresql")
    stage.recovered(stage.stack.passes_through())


def _use_up_log(server: PostgreSQL, disk: Disk) -> None:
    """Begin new segments of the write-ahead log until there is no room for one."""
    for _ in range(_MOST_SEGMENTS):
        disk.fill()
        try:
            server.psql("SELECT pg_logical_emit_message(true, 'fault', ''), pg_switch_wal()")
        except RuntimeError:
            return
    raise AssertionError(f"there was room for {_MOST_SEGMENTS} segments on a full disk")


def _asked(stage: Stage, since: datetime) -> list[dict[str, Any]]:
    """Return what became of posts that deserve to be taken."""
    return [line for line in stage.answers_since(since) if line["expect"] == "accepted"]


def _judge_refusals(stage: Stage, *, since: datetime) -> None:
    refused = [line for line in _asked(stage, since) if not _is_taken(line)]
    stage.figures["refused_without_room"] = len(refused)
    stage.expect("posts are refused without room", holds=bool(refused))
    stage.expect("it says 503 and when to try again", holds=all(map(_is_honest, refused)))


def _is_taken(line: Mapping[str, Any]) -> bool:
    return bool(line["status"] == ACCEPTED)


def _is_honest(line: Mapping[str, Any]) -> bool:
    return line["status"] == 503 and bool(line["retry_after"])


def _fill(stage: Stage, disk: Disk) -> None:
    disk.fill()
    stage.stack.history.fault("disk_full", folder=disk.folder.name)
    stage.expect("the disk is full", holds=is_full(disk.folder))


def _keep_full(disk: Disk, *, seconds: float) -> None:
    """Take whatever room the server finds by clearing up, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        disk.fill()
        time.sleep(_LOOK_SECONDS)


def _free(stage: Stage, disk: Disk) -> None:
    disk.free()
    stage.stack.history.fault("disk_freed", folder=disk.folder.name)


F9 = Scenario(
    "F9",
    "disks are full: the broker's store, a service's database",
    _disks_full,
    long=(Terms(outage_seconds=60, rate=20, rest_seconds=600),),
    disk_megabytes=_MEGABYTES,
)
