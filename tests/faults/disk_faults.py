"""F9: the broker's disk fills up, then a service's, then the broker's again and it is killed meanwhile."""

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from tests.faults.disks import Disk, is_full
from tests.faults.history import ACCEPTED
from tests.faults.scenario import Scenario, Stage, Terms
from tests.faults.stack import SQLITE, eventually

_MEGABYTES = 96
_ENOUGH_POSTS = 3


def _disks_full(stage: Stage) -> None:
    """Fill each disk in turn, and give the room back without a restart of anything that lived."""
    stack = stage.stack
    store, intake, desk = (stack.disks[name] for name in ("broker", "intake", "desk"))
    _fill(stage, store)
    time.sleep(stage.seconds / 2)
    _free(stage, store)
    _full_intake(stage, intake)
    _fill(stage, desk)
    time.sleep(stage.seconds / 4)
    _free(stage, desk)
    _fill(stage, store)
    time.sleep(stage.seconds / 4)
    stack.kill_broker()
    store.free()
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
    posts = _asked(stage, began)
    taken = [line for line in posts if line["status"] == ACCEPTED and not line["duplicate"]]
    stage.figures["refused_without_room"] = len(posts) - len(taken)
    stage.expect("intake takes nothing without room", holds=not taken)
    refused = [line for line in posts if line["status"] != ACCEPTED]
    stage.expect("it says 503 and when to try again", holds=all(_is_honest(line) for line in refused))
    _free(stage, disk)


def _asked(stage: Stage, since: datetime) -> list[dict[str, Any]]:
    """Return what became of posts that deserve to be taken."""
    return [line for line in stage.answers_since(since) if line["expect"] == "accepted"]


def _is_honest(line: Mapping[str, Any]) -> bool:
    return line["status"] == 503 and bool(line["retry_after"])


def _fill(stage: Stage, disk: Disk) -> None:
    disk.fill()
    stage.stack.history.fault("disk_full", folder=disk.folder.name)
    stage.expect("the disk is full", holds=is_full(disk.folder))


def _free(stage: Stage, disk: Disk) -> None:
    disk.free()
    stage.stack.history.fault("disk_freed", folder=disk.folder.name)
    stage.recovered(stage.stack.passes_through())


F9 = Scenario(
    "F9",
    "disks are full: the broker's store, a service's database",
    _disks_full,
    long=(Terms(outage_seconds=60, rate=20, rest_seconds=600),),
    stacks=(SQLITE,),
    disk_megabytes=_MEGABYTES,
)
