"""A plain HTTP caller on one kept connection: it tells what came back, or that nothing did, and repeats nothing itself."""

import json
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

ANSWER_SECONDS = 30
_SERVER_FAULT = 500


@dataclass(frozen=True)
class Answer:
    """What became of one request: without an answer `status` is None and `error` says why."""

    status: int | None
    body: Any
    seconds: float
    error: str | None = None
    retry_after: str | None = None

    @property
    def is_final(self) -> bool:
        """Return whether asking again would be wrong: there was an answer, and it was no 5xx."""
        return self.status is not None and self.status < _SERVER_FAULT


class Caller:
    """Calls one address with one key. Not for several threads; leaving its context closes it."""

    def __init__(self, url: str, key: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        self._connection = HTTPConnection(address.hostname, address.port, timeout=answer_seconds)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def get(self, path: str) -> Answer:
        """Ask for a path."""
        return self._call("GET", path, None)

    def post(self, path: str, body: Any = None) -> Answer:
        """Post a JSON body, or none."""
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        return self._call("POST", path, content)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _call(self, method: str, path: str, content: bytes | None) -> Answer:
        began = time.monotonic()
        try:
            self._connection.request(method, path, body=content, headers=self._headers)
            response = self._connection.getresponse()
            received = response.read()
            body = json.loads(received) if received else None
        except (OSError, HTTPException, ValueError) as failure:
            self._connection.close()
            return Answer(None, None, time.monotonic() - began, error=type(failure).__name__)
        return Answer(
            response.status,
            body,
            time.monotonic() - began,
            retry_after=response.getheader("Retry-After"),
        )
