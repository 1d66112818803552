"""F1: a process killed at any labelled place loses nothing, doubles nothing, and is back within ten seconds."""

import signal
from pathlib import Path

import pytest

from huiyin_failpoints import LABELS
from tests.faults.both import kafka_in_soak
from tests.faults.crash_faults import BROKER_PLAN, EVERYWHERE, F1, F1_UP, ONCE, OTHERWISE
from tests.faults.scenario import run
from tests.faults.stack import SQLITE, Stack


def test_every_labelled_place_is_in_the_plan() -> None:
    for plan in (ONCE, EVERYWHERE):
        places = [place for each in (plan, BROKER_PLAN) for places in each.values() for place in places]

        assert {*places, *OTHERWISE} == set(LABELS)


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
