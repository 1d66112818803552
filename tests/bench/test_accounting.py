"""What /proc says of processes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench.accounting import Watch, cpu_seconds, loop_seconds, pss_mib, tree

BUSY = (
    "import threading, time; threading.Thread(target=lambda: sum(range(20_000_000))).start(); time.sleep(60)"
)


@pytest.fixture
def worker() -> Iterator[int]:
    """Give a process whose second thread works for a moment while its first one sleeps."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_a_tree_has_the_process_and_its_children(worker: int) -> None:
    assert {os.getpid(), worker} <= set(tree(os.getpid()))


def test_the_work_of_other_threads_is_not_the_loops(worker: int) -> None:
    ends = time.monotonic() + 20
    while cpu_seconds([worker]) - loop_seconds(worker) < 0.1 and time.monotonic() < ends:
        time.sleep(0.05)

    assert cpu_seconds([worker]) - loop_seconds(worker) >= 0.1


def test_memory_is_counted_in_mebibytes() -> None:
    before = pss_mib([os.getpid()])
    held = b"x" * (64 << 20)

    assert 55 <= pss_mib([os.getpid()]) - before <= 80
    del held


def test_a_process_that_has_gone_has_used_nothing() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    assert cpu_seconds([process.pid]) == 0
    assert pss_mib([process.pid]) == 0
    assert loop_seconds(process.pid) == 0


def test_our_own_work_is_not_others() -> None:
    watch = Watch.begin([])
    ends = time.process_time() + 0.3
    while time.process_time() < ends:
        pass

    assert 0 <= watch.others() <= len(os.sched_getaffinity(0)) + 0.1
