"""What a service is: one value that says how its doors, tables and rules are wired.

Nothing here runs anything; `runtime` and `host` do. Services are found by the entry points `huiyin.services`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from fastapi import APIRouter
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.errors import ServiceUnknown
from huiyin_chassis.settings import ServiceSettings

if TYPE_CHECKING:
    from huiyin_chassis.runtime import Runtime
    from huiyin_eventbus.subscriptions import Subscriptions

SERVICES_GROUP: Final = "huiyin.services"

Fact = Callable[[AsyncConnection], AsyncIterator[tuple[Any, ...]]]
"""Reads rows for `huiyin verify` from a service's own database."""


class Recount(Protocol):
    """What a check may ask while `huiyin verify` runs."""

    def facts(self, name: str) -> AsyncIterator[tuple[Any, ...]]:
        """Give the rows that some service tells under this name.

        Raises FactMissing when the service that tells it is not installed; the check is then skipped.
        """
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """Work that a clock starts: `run` once per `every`, never twice at a time; the first run is at start."""

    name: str
    every: timedelta
    run: "Callable[[Runtime], Awaitable[None]]"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing `huiyin verify` recounts; `run` answers examples of what is wrong, none when all is right."""

    name: str
    run: Callable[[Recount], Awaitable[Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class Service:
    """The whole wiring of one service.

    `router` carries full paths. `facts` are what this service tells `huiyin verify`, `checks` what it recounts.
    `admits` says that its doors take work from outside and refuse it by `runtime.admission` when there is no room.
    `linger` is how long events may gather, on the way in and out, after a batch that left none: what nobody waits for
    is cheaper in large batches.
    `on_start` runs once per process, after the schema is known to be right and before any door opens.
    """

    name: str
    router: APIRouter
    metadata: MetaData
    subscriptions: "Subscriptions | None" = None
    jobs: Sequence[Job] = ()
    problems: Mapping[type[Exception], int] = field(default_factory=dict)
    settings: type[ServiceSettings] = ServiceSettings
    facts: Mapping[str, Fact] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    admits: bool = False
    linger: timedelta = timedelta(milliseconds=10)
    on_start: "Callable[[Runtime], Awaitable[None]] | None" = None
    migrations: Path | None = None
    """The folder that holds `versions/`; by default `migrations` beside the module of the entry point."""

    @property
    def package(self) -> str:
        """Return the import name of the service's package."""
        return f"huiyin_{self.name}"


def installed_services() -> dict[str, EntryPoint]:
    """Return the installed services by name, in the order of the suite, without importing them."""
    return {found.name: found for found in entry_points(group=SERVICES_GROUP)}


def load_service(name: str) -> Service:
    """Import and return one installed service. Raises ServiceUnknown when there is none of that name."""
    installed = installed_services()
    if name not in installed:
        raise ServiceUnknown(name, sorted(installed))
    return _loaded(installed[name])


def load_services() -> list[Service]:
    """Import and return all installed services, in the order of the suite."""
    return [_loaded(found) for found in installed_services().values()]


def _loaded(found: EntryPoint) -> Service:
    service = found.load()
    if not isinstance(service, Service):
        raise TypeError(f"the entry point {found.name} of {SERVICES_GROUP} is not a Service")
    return service
