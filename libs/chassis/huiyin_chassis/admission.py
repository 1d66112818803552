"""Whether a service may take more in: room in its outbox, and on the disk under its database.

To accept is to promise, and a promise needs somewhere to be kept. While the broker is away the outbox grows; before it
fills the disk, on which replies and redrives need room too, new work is refused with a 503 that says when to come back.
Looked at by the clock and not per request: in between, a service may go over by what it takes in five seconds.
"""

from pathlib import Path

import structlog

from huiyin_chassis import metrics
from huiyin_chassis.errors import DiskFull, NoRoom, OutboxFull
from huiyin_chassis.health import free_share

log = structlog.get_logger()


class Admission:
    """The gate of a service that takes work from outside; open until the first `measure`.

    `folder` is where its database stands on this machine, None for a database elsewhere.
    """

    def __init__(
        self, service: str, *, outbox_limit: int, min_free_share: float, folder: Path | None = None
    ) -> None:
        self._service = service
        self._outbox_limit = outbox_limit
        self._min_free_share = min_free_share
        self._folder = folder
        self._lacking: NoRoom | None = None

    def open(self) -> None:
        """Say in the metrics that work is taken in."""
        metrics.ACCEPTING.labels(self._service).set(1)

    def measure(self, *, outbox_rows: int) -> None:
        """Look how much there is; blocks for one system call."""
        lacking = self._find_lacking(outbox_rows)
        if type(lacking) is not type(self._lacking):
            if lacking is not None:
                log.error("admission_closed", service=self._service, reason=str(lacking))
            else:
                log.info("admission_opened", service=self._service)
        self._lacking = lacking
        metrics.ACCEPTING.labels(self._service).set(lacking is None)

    def check(self) -> None:
        """Return when more may be taken in; raises OutboxFull or DiskFull."""
        if self._lacking is not None:
            raise self._lacking.with_traceback(None)

    async def probe(self) -> str | None:
        """Return why nothing is taken in, for readiness."""
        return None if self._lacking is None else str(self._lacking)

    def _find_lacking(self, outbox_rows: int) -> NoRoom | None:
        if outbox_rows >= self._outbox_limit:
            return OutboxFull(self._outbox_limit)
        if self._folder is None:
            return None
        free = free_share(self._folder)
        return DiskFull(free) if free < self._min_free_share else None
