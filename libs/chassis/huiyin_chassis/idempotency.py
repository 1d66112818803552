"""`Idempotency-Key`: a request sent twice has its effect once and gets the same answer twice.

After draft-ietf-httpapi-idempotency-key-header-07 (2025-10): the answer is stored in the transaction of the effect, per
principal and for seven days; the same key with another request is a 422, a key whose first request still runs a 409.

An ordinary endpoint takes `repeat: Repeat` after its principal (who may not act gets no old answer either) and before
its `tx`, and ends with `return await repeat.answer(201, view)`. An answer that holds a secret must not be remembered.
A group writer calls `find_answers` and `remember` for its whole group, and its endpoint wraps the submission in `running`.
"""

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

from fastapi import Depends, FastAPI, Header, Request
from pydantic import BaseModel
from sqlalchemy import Insert, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from huiyin_chassis.auth import authenticate
from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Writing
from huiyin_chassis.problems import Refusal
from huiyin_chassis.service import Job
from huiyin_chassis.tables import idempotency

if TYPE_CHECKING:
    from huiyin_chassis.runtime import Runtime

KEPT: Final = timedelta(days=7)
MAX_KEY_CHARS: Final = 255
_RETRY_AFTER_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class Claim:
    """One request that must have its effect once; the fingerprint covers method, path and body."""

    principal: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it was given the first time; `body` is JSON."""

    fingerprint: str
    status: int
    body: bytes

    def replay(self, claim: Claim) -> Response:
        """Return the answer again; raises a 422 Refusal when the key was used for another request."""
        if self.fingerprint != claim.fingerprint:
            raise Refusal(
                422, "This Idempotency-Key was used for another request.", slug="idempotency-key-reused"
            )
        headers = {"Idempotent-Replayed": "true"}
        return Response(self.body, self.status, headers=headers, media_type="application/json")


def parse_key(header: str | None) -> str | None:
    """Return the key in an `Idempotency-Key` header, bare or quoted; raises a 400 Refusal for an unfit one."""
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not key or len(key) > MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise Refusal(400, f"Idempotency-Key must be 1 to {MAX_KEY_CHARS} printable ASCII characters.")
    return key


def fingerprint_of(method: str, path: str, body: bytes) -> str:
    """Return the digest that two sendings of the same request share."""
    digest = hashlib.sha256(f"{method} {path}\n".encode())
    digest.update(body)
    return digest.hexdigest()


async def find_answers(tx: AsyncConnection, claims: Sequence[Claim]) -> dict[Claim, StoredAnswer]:
    """Return the stored answers to these claims, whatever their fingerprint; one statement."""
    if not claims:
        return {}
    asked = {(claim.principal, claim.key): claim for claim in claims}
    identity = tuple_(idempotency.c.principal, idempotency.c.key)
    rows = await tx.execute(idempotency.select().where(identity.in_(list(asked))))
    stored = {
        (row.principal, row.key): StoredAnswer(row.fingerprint, row.status, row.response) for row in rows
    }
    return {
        claim: stored[claim.principal, claim.key]
        for claim in claims
        if (claim.principal, claim.key) in stored
    }


async def remember(tx: AsyncConnection, answers: Mapping[Claim, tuple[int, bytes]], *, now: datetime) -> None:
    """Store answers (status, JSON) beside their effects; one statement, never commits.

    Raises a 409 Refusal when another process has answered one of them meanwhile: the caller's effects must roll back.
    """
    if not answers:
        return
    rows = [
        {
            "principal": claim.principal,
            "key": claim.key,
            "fingerprint": claim.fingerprint,
            "status": status,
            "response": body,
            "created_at": now,
        }
        for claim, (status, body) in answers.items()
    ]
    inserted = await tx.execute(_insert_unless_there(tx, rows))
    if inserted.rowcount != len(rows):
        _refuse_running()


async def forget_answers(tx: AsyncConnection, *, now: datetime) -> int:
    """Delete answers older than seven days and return how many there were; for an hourly job, never commits."""
    deleted = await tx.execute(idempotency.delete().where(idempotency.c.created_at < now - KEPT))
    return deleted.rowcount


async def _forget_old(runtime: "Runtime") -> None:
    async with runtime.database.sweeping() as tx:
        await forget_answers(tx, now=utc_now())


FORGET: Final = Job("forget_answers", timedelta(hours=1), _forget_old)
"""The job that keeps the table small; every service runs it."""


_RUNNING: Final[set[tuple[int, str, str]]] = set()


@contextmanager
def running(claim: Claim | None, *, within: object) -> Iterator[None]:
    """Hold a claim while its request runs in this process; raises a 409 Refusal when it is held already.

    `within` is the runtime: services that share a process do not share keys.
    """
    if claim is None:
        yield
        return
    held = (id(within), claim.principal, claim.key)
    if held in _RUNNING:
        _refuse_running()
    _RUNNING.add(held)
    try:
        yield
    finally:
        _RUNNING.discard(held)


class AlreadyAnswered(Exception):
    """Ends a repeated request before its endpoint runs; carries the first answer."""

    def __init__(self, response: Response) -> None:
        super().__init__("answered before")
        self.response = response


def install_replay(app: FastAPI) -> None:
    """Let the app answer `AlreadyAnswered` with the first answer."""
    app.add_exception_handler(AlreadyAnswered, _replay)


async def _replay(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AlreadyAnswered)  # noqa: S101  # Starlette calls by registered class
    return error.response


async def read_claim(
    request: Request, idempotency_key: Annotated[str | None, Header(max_length=2 * MAX_KEY_CHARS)] = None
) -> Claim | None:
    """Return the claim of a request, None when it carries no key. A FastAPI dependency; reads the body."""
    key = parse_key(idempotency_key)
    if key is None:
        return None
    principal = await authenticate(request.scope)
    fingerprint = fingerprint_of(request.method, request.url.path, await request.body())
    return Claim(principal.id, key, fingerprint)


ReadClaim = Annotated[Claim | None, Depends(read_claim)]


async def _held(request: Request, claim: ReadClaim) -> AsyncIterator[Claim | None]:
    with running(claim, within=request.app.state.runtime):
        yield claim


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request inside its transaction, first sent or without a key; the endpoint answers through it."""

    tx: AsyncConnection
    claim: Claim | None

    async def answer(
        self, status: int, view: BaseModel, *, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return the response of a view, remembered when the request carries a key; headers are not repeated."""
        body = view.model_dump_json().encode()
        if self.claim is not None:
            await remember(self.tx, {self.claim: (status, body)}, now=utc_now())
        return Response(body, status, headers=headers, media_type="application/json")


# The claim is held before the transaction opens, so that a second request is told 409 and does not wait for the first.
async def _repeatable(
    claim: Annotated[Claim | None, Depends(_held, scope="function")], tx: Writing
) -> Repeatable:
    if claim is not None:
        found = await find_answers(tx, [claim])
        if claim in found:
            raise AlreadyAnswered(found[claim].replay(claim))
    return Repeatable(tx, claim)


Repeat = Annotated[Repeatable, Depends(_repeatable)]
"""`async def make_unit(…, repeat: Repeat) -> UnitView` and then `return await repeat.answer(201, view)`."""


def _insert_unless_there(tx: AsyncConnection, rows: list[dict[str, Any]]) -> Insert:
    if tx.dialect.name == "postgresql":
        return postgresql.insert(idempotency).values(rows).on_conflict_do_nothing()
    return sqlite.insert(idempotency).values(rows).on_conflict_do_nothing()


def _refuse_running() -> NoReturn:
    headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
    raise Refusal(
        409, "A request with this Idempotency-Key is running.", slug="request-running", headers=headers
    )
