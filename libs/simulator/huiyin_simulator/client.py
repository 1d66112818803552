"""A client of the suite's public HTTP API, patient where patience helps.

Answers that say "later" (429, 502, 503, 504) and broken connections are tried again with growing pauses, or after
the time that `Retry-After` names. Every call that we repeat may be repeated: posts by their natural key, verbs of
the desk because a verb that already holds changes nothing, what `make` makes by an `Idempotency-Key`.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import stamina

from huiyin_simulator.errors import KeyRefused, RequestRefused, SuiteUnreachable

PATIENCE: Final = timedelta(seconds=60)
PAGE_SIZE: Final = 200
_LATER: Final = frozenset({429, 502, 503, 504})
_NO_ENTRY: Final = frozenset({401, 403})
_LONGEST_PAUSE_SECONDS: Final = 60.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_GROWN_PAUSE_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 30.0
_NO_HEADERS: Final[Mapping[str, str]] = {}
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class SuiteClient:
    """Calls one suite with one key. Every call raises SuiteUnreachable, KeyRefused or RequestRefused."""

    def __init__(self, http: httpx2.AsyncClient, *, patience: timedelta) -> None:
        self._http = http
        self._patience = patience

    async def get(self, path: str, **parameters: str | int) -> dict[str, Any]:
        """Return the JSON document at a path."""
        document: dict[str, Any] = (await self._call("GET", path, params=parameters)).json()
        return document

    async def post(self, path: str, body: bytes | Mapping[str, Any] = b"") -> dict[str, Any]:
        """Post a body, JSON already or to be made JSON, and return the JSON document answered."""
        return await self._send("POST", path, body)

    async def make(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Post a body under an `Idempotency-Key` of its own, so that however many tries it takes, one thing is made."""
        return await self._send("POST", path, body, headers={"Idempotency-Key": str(uuid4())})

    async def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Change what stands at a path and return it as it is then."""
        return await self._send("PATCH", path, body)

    async def items(self, path: str, **parameters: str | int) -> AsyncIterator[dict[str, Any]]:
        """Yield the items of all pages of a list, one page in memory at a time."""
        asked: dict[str, str | int] = {"limit": PAGE_SIZE, **parameters}
        while True:
            page = await self.get(path, **asked)
            for item in page["items"]:
                yield item
            if page["next"] is None:
                return
            asked["cursor"] = page["next"]

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | Mapping[str, Any],
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> dict[str, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        headers = {**headers, "Content-Type": "application/json"} if content else headers
        document: dict[str, Any] = (await self._call(method, path, content=content, headers=headers)).json()
        return document

    async def _call(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            async for attempt in stamina.retry_context(
                on=_pause_before_retry,
                attempts=None,
                timeout=self._patience,
                wait_initial=_FIRST_PAUSE_SECONDS,
                wait_max=_GROWN_PAUSE_SECONDS,
            ):
                with attempt:
                    return _answered(await self._http.request(method, path, **request), path=path)
        except (httpx2.TransportError, _TryLaterError) as failure:
            reason = str(failure) or type(failure).__name__
            raise SuiteUnreachable(str(self._http.base_url), reason=reason) from None
        raise AssertionError("a retry context returns or raises")


@asynccontextmanager
async def connected(url: str, key: str, *, patience: timedelta = PATIENCE) -> AsyncIterator[SuiteClient]:
    """Give a client of the suite at a URL. Proxies of the environment are not asked for this machine itself."""
    async with httpx2.AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {key}"},
        timeout=httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
        trust_env=urlsplit(url).hostname not in _LOOPBACK,
    ) as http:
        yield SuiteClient(http, patience=patience)


class _TryLaterError(Exception):
    """The suite said: not now. `pause_seconds` is what `Retry-After` names, None when it names nothing we read."""

    def __init__(self, status: int, *, pause_seconds: float | None) -> None:
        super().__init__(f"it answered {status}")
        self.pause_seconds = pause_seconds


def _answered(answer: httpx2.Response, *, path: str) -> httpx2.Response:
    if answer.is_success:
        return answer
    if answer.status_code in _LATER or _is_running(answer):
        raise _TryLaterError(answer.status_code, pause_seconds=_retry_after(answer))
    if answer.status_code in _NO_ENTRY:
        raise KeyRefused(path, status=answer.status_code)
    raise RequestRefused(path, status=answer.status_code, detail=_detail(answer))


def _is_running(answer: httpx2.Response) -> bool:
    """Tell whether an earlier try of the same call still runs: of all conflicts, only that one names a pause."""
    return answer.status_code == httpx2.codes.CONFLICT and "Retry-After" in answer.headers


def _pause_before_retry(failure: Exception) -> bool | float:
    if isinstance(failure, _TryLaterError):
        return True if failure.pause_seconds is None else failure.pause_seconds
    return isinstance(failure, httpx2.TransportError)


def _retry_after(answer: httpx2.Response) -> float | None:
    """Return the seconds of `Retry-After` (RFC 9110, 10.2.3); its other form, a date, no service of ours sends."""
    named = answer.headers.get("Retry-After", "")
    return min(float(named), _LONGEST_PAUSE_SECONDS) if named.isdecimal() else None


def _detail(answer: httpx2.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return answer.reason_phrase
    if not isinstance(problem, dict):
        return answer.reason_phrase
    return str(problem.get("detail") or problem.get("title") or answer.reason_phrase)
