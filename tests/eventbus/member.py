"""A consumer or a relay in a process of its own, for tests that freeze and wake it.

python -m tests.eventbus.member consumer|relay BOOTSTRAP DATABASE_URL EVENT_TYPE GROUP
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psutil

from huiyin_chassis.db import Database
from huiyin_chassis.logging import configure_logging
from huiyin_eventbus.kafka import KafkaSettings
from huiyin_eventbus.relay import RelaySettings
from tests.eventbus.driver import BusDriver, probe_event, until
from tests.support.servers import PROJECT

IMPATIENT = RelaySettings(deadline=timedelta(seconds=2), slowest_retry=timedelta(milliseconds=200))


def hasty(bootstrap: str) -> KafkaSettings:
    """Return settings with which a member that is silent for six seconds has left its group."""
    return KafkaSettings(
        bootstrap=bootstrap,
        session_timeout=timedelta(seconds=6),
        heartbeat=timedelta(seconds=1),
        rebalance_timeout=timedelta(seconds=6),
    )


class Member:
    """A member's process: started with a failpoint that freezes it, woken, and ended."""

    def __init__(self, bus: BusDriver, folder: Path) -> None:
        self._bus = bus
        self._lines = folder / "member.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, role: str, *, frozen_at: str) -> None:
        """Start it; it freezes the first time it reaches the failpoint."""
        url = self._bus.database.url.render_as_string(hide_password=False)
        words = [role, self._bus.kafka.bootstrap, url, self._bus.topic, self._bus.group]
        with self._lines.open("wb") as lines:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.eventbus.member", *words],
                cwd=PROJECT,
                env={**os.environ, "HUIYIN_FAILPOINTS": f"{frozen_at}=stop"},
                stderr=lines,
            )

    async def until_frozen(self) -> None:
        """Return when it stands still."""

        async def is_frozen() -> bool:
            return bool(psutil.Process(self._pid).status() == psutil.STATUS_STOPPED)

        await until(is_frozen, seconds=30)

    def wake(self) -> None:
        """Let it go on from where it froze, as if no time had passed."""
        os.kill(self._pid, signal.SIGCONT)

    async def end(self) -> list[str]:
        """Stop it in order and return the names of what it logged."""
        assert self._process is not None
        self._process.terminate()
        await asyncio.to_thread(self._process.wait, 30)
        return [json.loads(line)["event"] for line in self._lines.read_text().splitlines()]

    def kill(self) -> None:
        """End it for good, frozen or not; nothing happens when it has ended."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid


async def main(role: str, bootstrap: str, url: str, event_type: str, group: str) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database(url)
    bus = BusDriver(hasty(bootstrap), database, event=probe_event(event_type), group=group)
    await (bus.consumer() if role == "consumer" else bus.relay(settings=IMPATIENT))
    await stop.wait()
    await bus.close()
    await database.close()


if __name__ == "__main__":
    configure_logging()
    asyncio.run(main(*sys.argv[1:]))
