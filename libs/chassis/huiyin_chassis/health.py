"""Whether a process lives, has started and can serve: `/livez`, `/startupz`, `/readyz`.

Liveness asks nothing but the event loop. Readiness runs named probes and answers 503 with those that fail. The broker
is a probe only where nothing can be done without it: intake goes on taking feedback while its outbox has room.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from huiyin_chassis.db import Database

Probe = Callable[[], Awaitable[str | None]]
"""Returns what is wrong, in a few words without secrets, or None."""

PROBE_SECONDS: Final = 2.0
_GOOD_SECONDS: Final = 0.5
_BAD_SECONDS: Final = 0.02
"""How long a probe's answer is believed. A bad one briefly: who waits for a start waits for it to change."""

log = structlog.get_logger()


class Health:
    """The state of one process or service: whether it has started, is stopping, and what its probes say."""

    def __init__(self, probes: Mapping[str, Probe] | None = None) -> None:
        self._probes: dict[str, Probe] = dict(probes or {})
        self._answers: dict[str, str | None] = {}
        self._believed_until: dict[str, float] = {}
        self._asking = asyncio.Lock()
        self.has_started = False
        self.is_stopping = False

    def add(self, name: str, probe: Probe) -> None:
        """Let readiness depend on a probe."""
        self._probes[name] = probe

    @property
    def names(self) -> list[str]:
        """Return the names of all probes."""
        return sorted(self._probes)

    async def failing(self) -> dict[str, str]:
        """Return what fails and why, empty when all is well.

        A probe that is content is believed for half a second, one that is not for 20 milliseconds, or for as long as
        its answer took. Who asks meanwhile waits for that answer: probes take connections, and anybody may ask.
        """
        if not self.has_started:
            return {"start": "has not started yet"}
        if self.is_stopping:
            return {"stop": "is stopping"}
        async with self._asking:
            await self._ask_those_due()
        return {name: answer for name, answer in self._answers.items() if answer is not None}

    async def _ask_those_due(self) -> None:
        now = monotonic()
        due = [name for name in self._probes if self._believed_until.get(name, now) <= now]
        answers = await asyncio.gather(*(_ask(self._probes[name]) for name in due))
        answered = monotonic()
        for name, answer in zip(due, answers, strict=True):
            self._answers[name] = answer
            span = _GOOD_SECONDS if answer is None else max(_BAD_SECONDS, answered - now)
            self._believed_until[name] = answered + span


async def _ask(probe: Probe) -> str | None:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await probe()
    except TimeoutError:
        return f"gave no answer within {PROBE_SECONDS:g} seconds"
    except Exception as error:  # noqa: BLE001  # a probe that breaks is a probe that fails, whatever broke it
        log.warning("probe_broke", error=type(error).__name__)
        return type(error).__name__


def database_probe(database: Database) -> Probe:
    """Return a probe that takes the write lock and gives it back."""
    # A PostgreSQL that is reached and takes no writes is a standby, or about to become one.
    is_read_only = "SHOW transaction_read_only" if database.dialect_name == "postgresql" else "SELECT 'off'"

    async def can_write() -> str | None:
        async with database.writing() as tx:
            answer = (await tx.exec_driver_sql(is_read_only)).scalar_one()
        return None if answer == "off" else "takes no writes"

    return can_write


def free_share(folder: Path) -> float:
    """Return how much of the disk under a folder is free, 0 to 1; blocks for one system call."""
    usage = shutil.disk_usage(folder)
    return usage.free / usage.total


def disk_probe(folder: Path, *, min_free_share: float) -> Probe:
    """Return a probe that fails when the disk under a folder has less than this share free."""

    async def has_room() -> str | None:
        free = free_share(folder)
        return None if free >= min_free_share else f"{free:.1%} of the disk is free"

    return has_room


def health_routes(parts: Mapping[str, Health]) -> list[Route]:
    """Return the three routes; `parts` are the services in this process by name."""

    async def livez(_request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def startupz(_request: Request) -> Response:
        waiting = sorted(name for name, health in parts.items() if not health.has_started)
        return JSONResponse({"started": not waiting, "waiting": waiting}, 503 if waiting else 200)

    async def readyz(_request: Request) -> Response:
        found = await asyncio.gather(*(health.failing() for health in parts.values()))
        failing = {
            f"{part}.{name}": why
            for part, each in zip(parts, found, strict=True)
            for name, why in each.items()
        }
        checks = sorted(f"{part}.{name}" for part, health in parts.items() for name in health.names)
        answer = {"ready": not failing, "failing": failing, "checks": checks}
        return JSONResponse(answer, 503 if failing else 200)

    return [
        Route("/livez", livez, include_in_schema=False),
        Route("/startupz", startupz, include_in_schema=False),
        Route("/readyz", readyz, include_in_schema=False),
    ]
