"""A process whose services have stopped ends, whatever a client has left running."""

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio
from huiyin_chassis import host

host._LONGEST_END_SECONDS = 0.5

async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

async def main():
    task = asyncio.create_task({left}())
    await asyncio.sleep(0)
    {last}

async def ordinary():
    await asyncio.sleep(60)

host.run_loop(main)
print("ended by itself")
"""


def run(left: str, *, last: str = "pass") -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(left=left, last=last)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_task_that_takes_its_cancellation_is_cancelled() -> None:
    done = run("ordinary")

    assert (done.returncode, done.stdout) == (0, "ended by itself\n")


@pytest.mark.parametrize(("last", "code"), [("pass", 0), ("raise OSError", 1)])
def test_a_task_that_never_ends_is_left_behind(last: str, code: int) -> None:
    done = run("stubborn", last=last)

    assert done.returncode == code
    assert "exit_forced" in done.stdout + done.stderr
    assert "most recent call first" in done.stderr
