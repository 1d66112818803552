"""Small real services over HTTP for the tests of the door."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from sqlalchemy import MetaData

from huiyin_chassis.db import Database
from huiyin_chassis.http import create_service_app
from huiyin_chassis.keys import sha256_of
from huiyin_chassis.problems import TYPE_BASE
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Service
from huiyin_chassis.settings import Settings
from huiyin_chassis.tables import METADATA

ADMIN_KEY = "the operator's own key, long enough"
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
NEVER_OPENED = "sqlite:////nonexistent/never.db"


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Give a database with the chassis's tables."""
    database = Database(url)
    try:
        async with database.writing() as tx:
            await tx.run_sync(METADATA.create_all)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def out_of_reach() -> AsyncIterator[Database]:
    """Give a database that cannot be opened."""
    database = Database(NEVER_OPENED)
    yield database
    await database.close()
    # After a failed connect the driver's thread still answers to the event loop, which the test is about to close.
    while any("_connection_worker_thread" in thread.name for thread in threading.enumerate()):
        await asyncio.sleep(0.001)


def app_of(
    router: APIRouter,
    database: Database | None = None,
    *,
    problems: Mapping[type[Exception], int] | None = None,
    name: str = "desk",
) -> FastAPI:
    """Return the app of a service with this router."""
    service = Service(name=name, router=router, metadata=MetaData(), problems=problems or {})
    runtime = Runtime(
        service, Settings(), database=database or Database(NEVER_OPENED), admin_sha256=sha256_of(ADMIN_KEY)
    )
    return create_service_app(service, runtime)


def client_of(app: object, **headers: str) -> AsyncClient:
    """Return a client of an app; what the app raises is raised in the test."""
    transport = ASGITransport(app)  # type: ignore[arg-type]  # any ASGI application
    return AsyncClient(transport=transport, base_url="http://test", headers=headers)


def slug(answer: Response) -> str:
    """Return the slug of the problem in an answer, after checking the document's members."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["detail"]
    assert problem["trace_id"] == answer.headers["x-trace-id"]
    return str(problem["type"]).removeprefix(TYPE_BASE)


def pointers(answer: Response) -> dict[str, str]:
    """Return the details of a problem's errors by pointer or parameter."""
    return {error.get("pointer") or error["parameter"]: error["detail"] for error in answer.json()["errors"]}
