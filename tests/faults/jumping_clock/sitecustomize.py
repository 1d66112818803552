# ruff: noqa: INP001  # a package would not be found by its name alone
"""Python imports this at its start when the folder is on `PYTHONPATH`: the wall clock is off by what a file says.

Only the suite's one clock is: the monotonic clock, the log and the other processes go on, as when somebody sets a
machine's time.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import huiyin_chassis.clock

_OFF_BY = Path(os.environ["JUMPING_CLOCK_FILE"])


def _jumping_now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=float(_OFF_BY.read_text() or 0))


# Before anybody else has taken the function from its module.
huiyin_chassis.clock.utc_now = _jumping_now
