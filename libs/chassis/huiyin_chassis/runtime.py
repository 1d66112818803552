"""One running service: its settings, database and the tasks around them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.db import Database
from huiyin_chassis.service import Service
from huiyin_chassis.settings import Settings, load
from huiyin_chassis.writer import GroupWriter

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Runtime:
    """What the doors of one service share while it runs.

    `settings` are the service's own (an instance of `service.settings`), `suite` those of the whole suite.
    """

    def __init__(
        self, service: Service, suite: Settings, *, database: Database | None = None, settings: Any = None
    ) -> None:
        self.service = service
        self.suite = suite
        self.settings: Any = settings if settings is not None else load(service.settings)
        self.database = database or Database(suite.database_url_of(service.name))
        self._writers: dict[object, GroupWriter[Any, Any]] = {}
        self._wake: list[Callable[[], None]] = []

    def wake_relay(self) -> None:
        """Tell the relay that the outbox has rows; every commit of `database.writing()` does so by itself."""
        for wake in self._wake:
            wake()

    def group_writer(
        self, flush: Callable[[AsyncConnection, Sequence[Item]], Awaitable[Sequence[Answer]]]
    ) -> GroupWriter[Item, Answer]:
        """Return this service's group writer for a flush, made on first use and drained when the service stops."""
        if flush not in self._writers:
            self._writers[flush] = GroupWriter(self.database, flush)
        return cast("GroupWriter[Item, Answer]", self._writers[flush])


def _running(request: Request) -> Runtime:
    return cast("Runtime", request.app.state.runtime)


Running = Annotated[Runtime, Depends(_running)]
"""FastAPI dependency: the running service that this request came to."""
