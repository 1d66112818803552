"""The load's history: what was posted and answered, and what a scenario put into the log itself.

JSON lines as `tests.faults.history` tells them. Read here: `post`, and of `fault` those whose fact is `poison` or `copy`,
with the `topic`, `partition` and `offset` at which a scenario put a record into the log.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

NaturalKey = tuple[str, str, str]

_UNDECIDED: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_INJECTED: Final = frozenset({"poison", "copy"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to post a feedback."""

    natural_key: NaturalKey
    status: int
    feedback_id: str | None

    @property
    def is_accepted(self) -> bool:
        """Tell whether the client was promised that it is stored."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_refused(self) -> bool:
        """Tell whether the client was told for good that it is not stored."""
        is_client_error = HTTPStatus.BAD_REQUEST <= self.status < HTTPStatus.INTERNAL_SERVER_ERROR
        return is_client_error and self.status not in _UNDECIDED


@dataclass(frozen=True, slots=True)
class Injection:
    """A record that no service published."""

    kind: str
    place: tuple[str, int, int]


def read_history(path: Path) -> tuple[list[Attempt], list[Injection]]:
    """Return the attempts and injections of a history file, none when there is no file."""
    lines = list(_lines(path)) if path.exists() else []
    attempts = [_attempt(line) for line in lines if line["kind"] == "post"]
    injections = [_injection(line) for line in lines if line.get("fact") in _INJECTED]
    return attempts, injections


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            # A load that was killed leaves half a line at the end.
            if line.endswith("\n"):
                yield json.loads(line)


def _attempt(line: Mapping[str, Any]) -> Attempt:
    natural_key = (line["channel"], line.get("account") or "", line["external_id"])
    return Attempt(natural_key, line.get("status") or 0, line.get("id"))


def _injection(line: Mapping[str, Any]) -> Injection:
    return Injection(line["fact"], (line["topic"], line["partition"], line["offset"]))
