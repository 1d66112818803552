"""Intake as `huiyin run intake` runs it, but without a bus: what it accepts stays in its outbox.

This is the shape in which the bars were set: accepting alone, without the publishing that goes on beside it. The same
with a bus is measured too. Settings come from the environment.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from huiyin_chassis.host import Announcer, host, run_loop
from huiyin_chassis.logging import configure_logging
from huiyin_chassis.service import load_service
from huiyin_chassis.settings import Settings, load


class _Printer(Announcer):
    """Says on stdout where it answers."""

    def ready(self, url: str) -> None:
        """Print the line that is waited for."""
        print(f"ready {url}", flush=True)


@asynccontextmanager
async def _no_bus(_settings: Settings, _folder: Path) -> AsyncIterator[Any]:
    """Give no Kafka: then neither relay nor consumer is started."""
    await asyncio.sleep(0)
    yield None


def main() -> None:
    """Serve until SIGTERM."""
    settings = load(Settings)
    configure_logging(settings.log_level)
    run_loop(lambda: host([load_service("intake")], settings, kafka=_no_bus, announcer=_Printer()))


if __name__ == "__main__":
    main()
