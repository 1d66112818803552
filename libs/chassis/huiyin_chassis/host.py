"""Runs services in this process behind one port: all of them (`huiyin up`) or one (`huiyin run`), the same way."""

import asyncio
import faulthandler
import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from starlette.types import ASGIApp

from huiyin_chassis.adminkey import AdminKey, admin_key
from huiyin_chassis.datadir import open_data_dir
from huiyin_chassis.front import owned_segments
from huiyin_chassis.health import Health, disk_probe
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.server import HttpServer, listen, url_of
from huiyin_chassis.service import Service
from huiyin_chassis.settings import Settings
from huiyin_chassis.stopping import StopSignal
from huiyin_chassis.unreachable import unreachable_in_one_line
from huiyin_chassis.vitals import LoopWatch

if TYPE_CHECKING:
    from huiyin_eventbus.kafka import KafkaSettings

_READY_POLL_SECONDS: Final = 0.02
_GC_THRESHOLDS: Final = (50_000, 20, 50)
_SWITCH_SECONDS: Final = 0.0005
_LONGEST_END_SECONDS: Final = 10.0

log = structlog.get_logger()
Outcome = TypeVar("Outcome")


class Announcer:
    """Says what the operator waits for; commands override it."""

    def made_key(self, key: str) -> None:
        """Take the admin key that has just been made; it is shown this once."""

    def ready(self, url: str) -> None:
        """Take the address at which `/readyz` answers 200 now."""


async def host(
    services: Sequence[Service],
    settings: Settings,
    *,
    kafka: "Callable[[Settings, Path], Any]",
    announcer: Announcer,
) -> None:
    """Run services until SIGTERM or SIGINT, then drain.

    `kafka(settings, folder)` is an async context manager that gives how to reach Kafka. Raises a StartRefused when
    the port, data folder, a schema or the broker stands in the way; then nothing is left running.
    """
    owned_segments(services)
    stop = StopSignal()
    folder = open_data_dir(settings.data_dir)
    bound = listen(settings.host, settings.port)
    async with AsyncExitStack() as stack:
        stack.callback(bound.close)
        found: KafkaSettings = await stack.enter_async_context(kafka(settings, folder))
        runtimes = await stack.enter_async_context(_running(services, settings, kafka=found))
        _announce_key(admin_key(settings, folder), runtimes, announcer=announcer)
        server = HttpServer(_front(runtimes, folder, settings), bound)
        await server.start()
        stack.push_async_callback(server.stop)
        watch = LoopWatch()
        watch.start()
        stack.push_async_callback(watch.stop)
        _settle_collector()
        _share_interpreter()
        if await _is_ready(runtimes, stop=stop):
            announcer.ready(url_of(bound))
        await stop.wait()
        for runtime in runtimes:
            runtime.health.is_stopping = True


@asynccontextmanager
async def _running(
    services: Sequence[Service], settings: Settings, *, kafka: "KafkaSettings"
) -> AsyncIterator[list[Runtime]]:
    """Start services one after the other, and stop all of them at the same time."""
    runtimes = [Runtime(service, settings) for service in services]
    try:
        for runtime in runtimes:
            with unreachable_in_one_line(runtime.service):
                await runtime.start(kafka)
        yield runtimes
    finally:
        outcomes = await asyncio.gather(*(runtime.stop() for runtime in runtimes), return_exceptions=True)
        for runtime, outcome in zip(runtimes, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                log.error("service_stopped_badly", service=runtime.service.name, exc_info=outcome)


def _announce_key(key: AdminKey, runtimes: Sequence[Runtime], *, announcer: Announcer) -> None:
    """Let all services know the admin key. Late, so that a start that is refused leaves no key behind unseen."""
    for runtime in runtimes:
        runtime.admin_sha256 = key.sha256
    if key.made is not None:
        announcer.made_key(key.made)


def _front(runtimes: Sequence[Runtime], folder: Path, settings: Settings) -> ASGIApp:
    from huiyin_chassis.http import create_service_app, create_suite_app  # noqa: PLC0415

    apps = {
        each.service.name: create_service_app(each.service, each, health=each.health) for each in runtimes
    }
    disk = Health({"disk": disk_probe(folder, min_free_share=settings.min_free_share)})
    disk.has_started = True
    healths = {each.service.name: each.health for each in runtimes} | {"suite": disk}
    return create_suite_app(apps, healths=healths)


async def _is_ready(runtimes: Sequence[Runtime], *, stop: StopSignal) -> bool:
    """Return true once every service is ready, false when a stop is asked for before."""
    while not stop.asked:
        failing = [await runtime.health.failing() for runtime in runtimes]
        if not any(failing):
            return True
        await asyncio.sleep(_READY_POLL_SECONDS)
    return False


def _settle_collector() -> None:
    """Keep the collector away from what lives as long as the process: a full collection costs tens of milliseconds.

    No collection before: starting leaves about one megabyte of garbage, and finding it would take a tenth of the start.
    """
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.enable()


def _share_interpreter() -> None:
    """Give the event loop the interpreter back ten times as soon as Python would while a thread computes.

    The loop lets go of it with every statement of SQLite, and the classifier, which computes in a thread, would keep it
    for five milliseconds each time: an answer of ten statements came 50 ms later.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)


def run_loop(main: "Callable[[], Any]") -> None:
    """Run a coroutine function on uvloop; what it leaves running has ten seconds to end, and is then left behind."""
    import uvloop  # noqa: PLC0415

    runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        runner.run(main())
    finally:
        with _ended_by_force(code=int(sys.exc_info()[0] is not None)):
            runner.close()


@contextmanager
def _ended_by_force(*, code: int) -> Iterator[None]:
    """End the process when the block takes too long, and say on standard error what every thread was doing.

    All services have stopped by then. A client's task that never takes its cancellation would keep the process for ever.
    """
    timer = Timer(_LONGEST_END_SECONDS, _exit_now, [code])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _exit_now(code: int) -> None:
    log.warning("exit_forced", after_seconds=_LONGEST_END_SECONDS)
    faulthandler.dump_traceback()
    os._exit(code)
