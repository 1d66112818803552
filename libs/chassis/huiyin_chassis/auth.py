"""The door's lock: bearer API keys, and the dependency `require` that endpoints name their scopes with.

An endpoint without `require` is open to all; a service's tests list its open endpoints.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from starlette.types import Scope

from huiyin_chassis.clock import utc_now
from huiyin_chassis.headers import header_of
from huiyin_chassis.keys import KeyRing, made_key, save_keys, sha256_of, subscribe_keys
from huiyin_chassis.principal import ADMIN, OPERATOR, ROLES, SCOPES, Principal
from huiyin_chassis.problems import Refusal

__all__ = [
    "ADMIN",
    "OPERATOR",
    "ROLES",
    "SCOPES",
    "KeyRing",
    "Principal",
    "admit",
    "authenticate",
    "demand",
    "made_key",
    "require",
    "requirement_of",
    "save_keys",
    "sha256_of",
    "subscribe_keys",
]

_PRINCIPAL: Final = "huiyin.principal"
"""Where a request's scope keeps its principal, so that a key is looked up and counted once."""


async def authenticate(scope: Scope) -> Principal:
    """Return the principal of a request, for doors that cannot use `require`.

    Raises one and the same 401 Refusal for a missing, malformed, unknown, revoked or expired key, and a 429 when the
    key has a rate and is over it.
    """
    known: Principal | None = scope.get(_PRINCIPAL)
    if known is not None:
        return known
    ring: KeyRing = scope["app"].state.keys
    key = _bearer_key(scope)
    principal = await ring.find(key, now=utc_now()) if key else None
    if principal is None:
        detail = "Send a valid API key as `Authorization: Bearer KEY`."
        raise Refusal(401, detail, headers={"WWW-Authenticate": 'Bearer realm="huiyin"'})
    wait_seconds = ring.take(principal)
    if wait_seconds > 0:
        headers = {"Retry-After": str(int(wait_seconds) + 1)}
        raise Refusal(429, "This key has used up its requests for now.", headers=headers)
    scope[_PRINCIPAL] = principal
    return principal


def _bearer_key(scope: Scope) -> str:
    kind, _, key = (header_of(scope, b"authorization") or "").partition(" ")
    if kind.lower() != "bearer":
        return ""
    # Any string can be a key, and headers arrive as bytes that Starlette reads as Latin-1.
    return key.strip().encode("latin-1").decode("utf-8", "replace")


def demand(principal: Principal, scopes: Iterable[str]) -> None:
    """Raise a 403 Refusal that names the first scope the principal lacks."""
    for scope in scopes:
        if not principal.can(scope):
            raise Refusal(403, f"This key lacks the scope {scope}.", members={"scope": scope})


@dataclass(frozen=True)
class Requirement:
    """A FastAPI dependency that lets in only keys with all of its scopes.

    The API's description finds it in routes; a security dependency of FastAPI's own would cost every request more.
    """

    scopes: tuple[str, ...]

    async def __call__(self, request: Request) -> Principal:
        """Return the principal, or raise a 401, 403 or 429 Refusal."""
        principal = await authenticate(request.scope)
        demand(principal, self.scopes)
        return principal


def require(*scopes: str) -> Any:
    """Return the dependency that lets in only keys with all these scopes; without scopes, any valid key.

    `principal: Annotated[Principal, require("tickets:read")]`. Raises ValueError for a scope nobody can have.
    """
    unknown = set(scopes) - SCOPES
    if unknown:
        raise ValueError(f"no such scope: {', '.join(sorted(unknown))}")
    return Depends(Requirement(scopes))


async def admit(scope: Scope) -> None:
    """Check the caller against what the endpoint requires, before its body is read or a transaction opens.

    Endpoints may name their dependencies in any order; a caller without a key must not take a write lock first.
    """
    requirement = requirement_of(scope.get("route"))
    if requirement is not None:
        demand(await authenticate(scope), requirement.scopes)


_REQUIREMENTS: Final[dict[Callable[..., Any], Requirement | None]] = {}


def requirement_of(route: object) -> Requirement | None:
    """Return what a route demands of its callers, by itself and through its dependencies; None when it is open."""
    dependant: Dependant | None = getattr(route, "dependant", None)
    if dependant is None or dependant.call is None:
        return None
    if dependant.call not in _REQUIREMENTS:
        scopes = [scope for requirement in _requirements_in(dependant) for scope in requirement.scopes]
        is_open = next(_requirements_in(dependant), None) is None
        _REQUIREMENTS[dependant.call] = None if is_open else Requirement(tuple(dict.fromkeys(scopes)))
    return _REQUIREMENTS[dependant.call]


def _requirements_in(dependant: Dependant) -> Iterator[Requirement]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Requirement):
            yield dependency.call
        yield from _requirements_in(dependency)
