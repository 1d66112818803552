"""One service under test: its real app on a real, migrated database, without relay and consumer.

Events are handed to its handlers as the consumer would, inside one transaction; what it publishes is read from its
outbox. Tests of the bus itself stand in tests/eventbus, journeys across services in tests/journeys.
"""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Any, TypeVar

import httpx2
import uuid_utils
from sqlalchemy import select

from huiyin_chassis.auth import ROLES, save_keys, sha256_of
from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Database
from huiyin_chassis.http import create_service_app
from huiyin_chassis.migrate import upgrade
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Service
from huiyin_chassis.settings import Settings
from huiyin_contracts.event import Envelope, Event
from huiyin_contracts.people import KeyChanged
from huiyin_eventbus.subscriptions import Received
from huiyin_eventbus.tables import outbox

E = TypeVar("E", bound=Event)
ADMIN_KEY = "admin-key-of-the-tests-000000000000"


class ServiceDriver:
    """Drives one service: `client` is the operator's, `key` makes others."""

    def __init__(self, service: Service, runtime: Runtime, client: httpx2.AsyncClient) -> None:
        self.service = service
        self.runtime = runtime
        self.database = runtime.database
        self.client = client
        self._sequence = 0

    def anonymous(self, key: str | None = None) -> httpx2.AsyncClient:
        """Return a client with this key, or with none."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx2.AsyncClient(
            transport=self.client._transport, base_url="http://service", headers=headers
        )

    async def key(
        self, role: str, *, departments: Sequence[str] = ("*",), name: str = "", **changes: Any
    ) -> httpx2.AsyncClient:
        """Return a client with a new key of a role, known to the service as the directory would have told it."""
        key = str(uuid_utils.uuid7())
        change = KeyChanged(
            **{
                "key_id": f"key-{key}",
                "name": name or role,
                "sha256": sha256_of(key),
                "scopes": tuple(ROLES[role]),
                "departments": tuple(departments),
                "revision": 1,
                "changed_at": utc_now(),
                **changes,
            }
        )
        async with self.database.writing() as tx:
            await save_keys(tx, [change])
        return self.anonymous(key)

    async def deliver(self, *events: Event) -> None:
        """Hand events to the service's handlers in one transaction; neighbours of one type come as one batch."""
        assert self.service.subscriptions is not None
        received = [self._received(event) for event in events]
        async with self.database.writing() as tx:
            for event_type, batch in groupby(received, key=lambda one: one.type):
                await self.service.subscriptions.handler(event_type)(tx, list(batch))

    async def published(self, event: type[E]) -> list[E]:
        """Return the events of a type that stand in the outbox, oldest first."""
        rows = await self.outbox_rows(topic=event.TYPE)
        return [event.model_validate_json(row.payload) for row in rows]

    async def outbox_rows(self, *, topic: str) -> Sequence[Any]:
        """Return the raw outbox rows of a topic, oldest first."""
        async with self.database.reading() as tx:
            found = await tx.execute(select(outbox).where(outbox.c.topic == topic).order_by(outbox.c.seq))
            return found.all()

    def _received(self, event: E) -> Received[E]:
        self._sequence += 1
        envelope = Envelope(
            id=str(uuid_utils.uuid7()),
            source=f"/services/{event.PUBLISHER}",
            type=event.TYPE,
            time=utc_now(),
            dataschema=event.schema_url(),
            sequence=self._sequence,
            subject=event.key,
            data=event.model_dump_json().encode(),
        )
        return Received(event, envelope, event.TYPE, 0, self._sequence, event.key)


@asynccontextmanager
async def running_service(
    service: Service, database_url: str, *, settings: Any = None, started: bool = True
) -> AsyncIterator[ServiceDriver]:
    """Migrate an empty database and give a driver of the service on it; `started` runs its `on_start` too."""
    database = Database(database_url)
    await upgrade(database, service)
    suite = Settings(_env_file=None)
    runtime = Runtime(service, suite, database=database, settings=settings, admin_sha256=sha256_of(ADMIN_KEY))
    try:
        if started and service.on_start is not None:
            await service.on_start(runtime)
        app = create_service_app(service, runtime)
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://service", headers=headers
        ) as client:
            yield ServiceDriver(service, runtime, client)
    finally:
        await runtime.jobs.stop()
        await database.close()


def pointers(problem: httpx2.Response) -> list[str]:
    """Return where a problem document says the errors stand."""
    errors: Iterable[dict[str, str]] = json.loads(problem.content).get("errors") or ()
    return [error.get("pointer") or error.get("parameter") or "" for error in errors]
