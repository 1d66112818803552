"""API keys: how one is made, kept up to date from events, found by its digest and held to its rate.

A key is any string; it is found by the SHA-256 of the whole key. Random keys need no slow hash, and nothing that
opens a door is stored.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from huiyin_chassis.db import Database
from huiyin_chassis.principal import OPERATOR, Principal
from huiyin_chassis.tables import api_key
from huiyin_contracts.people import KeyChanged
from huiyin_eventbus.subscriptions import Received, Subscriptions

CACHE_SECONDS: Final = 1.0
"""How long an answer about a key is believed: the longest a revoked key works in another process."""
_MAX_CACHED: Final = 4096
_MAX_KEY_CHARS: Final = 512
_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_CHARS: Final = 43  # 62 ** 43 > 2 ** 256: 32 bytes of randomness


def made_key() -> str:
    """Return a new key, `huiyin_live_<id>_<secret>`: a public id to tell keys apart and 256 bits of secret."""
    return f"huiyin_live_{_random_text(8)}_{_random_text(_SECRET_CHARS)}"


def sha256_of(key: str) -> str:
    """Return the hex digest under which a key is stored."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def subscribe_keys(subscriptions: Subscriptions) -> None:
    """Let a service keep its keys up to date: registers the handler of `key.changed`."""
    subscriptions.on(KeyChanged)(on_key_changed)


async def on_key_changed(tx: AsyncConnection, received: Sequence[Received[KeyChanged]]) -> None:
    """Store what the directory says of its keys."""
    await save_keys(tx, [one.event for one in received])


async def save_keys(tx: AsyncConnection, changes: Iterable[KeyChanged]) -> None:
    """Store keys as of their latest revision, in whatever order the changes arrive; never commits.

    Answers about these keys that this process has cached are forgotten.
    """
    latest: dict[str, KeyChanged] = {}
    for change in changes:
        known = latest.get(change.key_id)
        if known is None or change.revision > known.revision:
            latest[change.key_id] = change
    if not latest:
        return
    held = {
        row.key_id: row
        for row in await tx.execute(
            select(api_key.c.key_id, api_key.c.revision, api_key.c.sha256).where(api_key.c.key_id.in_(latest))
        )
    }
    for change in latest.values():
        row = held.get(change.key_id)
        if row is None:
            await tx.execute(api_key.insert().values(**_values(change)))
        elif change.revision > row.revision:
            await tx.execute(
                api_key.update().where(api_key.c.key_id == change.key_id).values(**_values(change))
            )
    _forget({change.sha256 for change in latest.values()} | {row.sha256 for row in held.values()})


def _values(change: KeyChanged) -> dict[str, Any]:
    values = change.model_dump(include=set(api_key.c.keys()))
    return values | {"scopes": list(change.scopes), "departments": list(change.departments)}


@dataclass(slots=True)
class _Answer:
    """What is known of one digest: the key's owner and end, or nobody."""

    asked_at: float
    principal: Principal | None = None
    expires_at: datetime | None = None


class KeyRing:
    """Finds the principal of a key in a service's database, with a small cache that believes itself for a second.

    `admin_sha256` is the digest of the operator's admin key.
    """

    def __init__(self, database: Database, *, admin_sha256: str | None = None) -> None:
        self._database = database
        self._admin_sha256 = admin_sha256
        self._answers: dict[str, _Answer] = {}
        self._buckets: dict[str, TokenBucket] = {}
        _RINGS.add(self)

    async def find(self, key: str, *, now: datetime) -> Principal | None:
        """Return the key's owner, or None for a key that is unknown, revoked or expired."""
        if len(key) > _MAX_KEY_CHARS:
            return None
        digest = sha256_of(key)
        if self._admin_sha256 is not None and hmac.compare_digest(digest, self._admin_sha256):
            return OPERATOR
        answer = self._answers.get(digest)
        if answer is None or monotonic() - answer.asked_at > CACHE_SECONDS:
            answer = await self._ask(digest)
        is_over = answer.expires_at is not None and answer.expires_at <= now
        return None if is_over else answer.principal

    def forget(self, digests: Iterable[str]) -> None:
        """Drop cached answers, so that the next request asks the database."""
        for digest in digests:
            self._answers.pop(digest, None)

    def take(self, principal: Principal) -> float:
        """Count one request of a principal; return 0, or how many seconds it must wait first."""
        if principal.rate_per_minute is None:
            return 0.0
        bucket = self._buckets.get(principal.id)
        if bucket is None or bucket.per_minute != principal.rate_per_minute:
            bucket = self._buckets[principal.id] = TokenBucket(principal.rate_per_minute)
        return bucket.take(monotonic())

    async def _ask(self, digest: str) -> _Answer:
        asked_at = monotonic()
        async with self._database.reading() as connection:
            found = await connection.execute(
                select(api_key).where(api_key.c.sha256 == digest, api_key.c.active)
            )
            row = found.first()
        answer = _Answer(asked_at)
        if row is not None and hmac.compare_digest(row.sha256, digest):
            answer = _Answer(asked_at, _principal(row), row.expires_at)
        # Random keys must not fill the memory; starting anew costs one query per live key.
        if len(self._answers) >= _MAX_CACHED:
            self._answers.clear()
        self._answers[digest] = answer
        return answer


def _principal(row: Any) -> Principal:
    departments = None if "*" in row.departments else frozenset(row.departments)
    return Principal(row.key_id, row.name, frozenset(row.scopes), departments, row.rate_per_minute)


@dataclass(slots=True)
class TokenBucket:
    """Allows `per_minute` requests at once and refills evenly (token bucket, RFC 2697's idea without colours)."""

    per_minute: int
    tokens: float = field(default=-1.0)
    filled_at: float = 0.0

    def take(self, at_seconds: float) -> float:
        """Take one token; return 0, or the seconds until there is one."""
        if self.tokens < 0:
            self.tokens, self.filled_at = float(self.per_minute), at_seconds
        rate = self.per_minute / 60
        self.tokens = min(float(self.per_minute), self.tokens + (at_seconds - self.filled_at) * rate)
        self.filled_at = at_seconds
        if self.tokens < 1:
            return (1 - self.tokens) / rate if rate else 60.0
        self.tokens -= 1
        return 0.0


_RINGS: Final[WeakSet[KeyRing]] = WeakSet()


def _forget(digests: set[str]) -> None:
    for ring in _RINGS:
        ring.forget(digests)
