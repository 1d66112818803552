"""Orderly and disorderly ends."""

import subprocess
import sys
import time

SCRIPT = """
import asyncio, sys
from datetime import timedelta
from huiyin_chassis import stopping
from huiyin_chassis.logging import configure_logging

configure_logging()
stopping.GRACE = timedelta(seconds=float(sys.argv[1]))

async def main():
    stop = stopping.StopSignal()
    print("up", flush=True)
    await stop.wait()
    print("asked", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def start(grace_seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(grace_seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_the_first_signal_asks_and_the_second_ends_at_once() -> None:
    with start(60) as process:
        process.terminate()
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        assert process.poll() is None

        process.terminate()

        assert process.wait(timeout=5) == 1


def test_an_end_that_takes_too_long_is_cut_off() -> None:
    started_at = time.monotonic()
    with start(0.2) as process:
        process.terminate()

        assert process.wait(timeout=10) == 1
    assert time.monotonic() - started_at < 15
