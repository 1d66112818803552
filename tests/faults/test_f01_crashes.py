"""F1: a process killed at any labelled place loses nothing, doubles nothing, and is back in time."""

import random
import signal
from pathlib import Path
from typing import cast

import pytest

from huiyin_failpoints import LABELS
from tests.faults import crash_faults
from tests.faults.both import kafka_in_soak
from tests.faults.crash_faults import BROKER_PLAN, EVERYWHERE, F1, F1_UP, ONCE, OTHERWISE, RECOVERY_SECONDS
from tests.faults.load import Load
from tests.faults.scenario import Stage, Terms, run
from tests.faults.stack import SQLITE, Stack


def test_every_labelled_place_is_in_the_plan() -> None:
    for plan in (ONCE, EVERYWHERE):
        places = [place for each in (plan, BROKER_PLAN) for places in each.values() for place in places]

        assert {*places, *OTHERWISE} == set(LABELS)


@pytest.mark.parametrize(("seconds", "is_in_time"), [(RECOVERY_SECONDS, True), (RECOVERY_SECONDS + 1, False)])
def test_a_recovery_that_takes_too_long_fails_however_busy_the_machine_is(
    *, seconds: float, is_in_time: bool
) -> None:
    stage = Stage(cast("Stack", None), cast("Load", None), Terms(), random.Random(1))
    stage.recovered(seconds)

    crash_faults._judge_recovery(stage)

    assert list(stage.expectations.values()) == [is_in_time]


@kafka_in_soak
def test_a_process_killed_at_any_place_loses_and_doubles_nothing(stack: Stack, tmp_path: Path) -> None:
    result = run(F1, stack.kind, seed=1, folder=tmp_path, stack=stack)

    assert result.ok, result.story()


@pytest.mark.usefixtures("alone")
def test_the_suite_in_one_process_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    result = run(F1_UP, SQLITE, seed=1, folder=tmp_path)

    assert result.ok, result.story()


@pytest.mark.usefixtures("alone")
def test_a_migration_killed_half_way_is_done_by_the_next_one(tmp_path: Path) -> None:
    stack = Stack(tmp_path, SQLITE)
    stack.prepare()

    killed = stack.command("migrate", check=False, HUIYIN_FAILPOINTS="migrate.mid_upgrade=kill@2")
    done = stack.command("migrate")

    assert killed.returncode == -signal.SIGKILL
    assert done.returncode == 0
    stack.stop()
