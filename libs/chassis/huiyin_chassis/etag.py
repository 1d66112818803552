"""Optimistic concurrency over HTTP: a strong ETag made of a row's version, and `If-Match` (RFC 9110 §8.8.3, §13.1.1).

`If-Match` is optional in the suite: who leaves it out acts on whatever the row is now.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header, Response

from huiyin_chassis.problems import Refusal

_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST: Final = re.compile(rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*")
_ONE: Final = re.compile(_TAG)
_MAX_HEADER_CHARS: Final = 1024


def etag(version: int) -> str:
    """Return the strong ETag of a row's version: `"7"`."""
    return f'"{version}"'


def set_etag(response: Response, version: int) -> None:
    """Put the row's ETag on a response; endpoints take the response as an argument."""
    response.headers["ETag"] = etag(version)


@dataclass(frozen=True, slots=True)
class Precondition:
    """What a caller demands of a row before it is changed; `tags` is None when nothing, or only existence."""

    tags: frozenset[str] | None = None

    def check(self, version: int) -> None:
        """Raise a 412 Refusal when the row has moved on; weak tags never match (RFC 9110 §8.8.3.2)."""
        if self.tags is not None and etag(version) not in self.tags:
            detail = "The resource has changed since it was read; read it again and decide anew."
            raise Refusal(412, detail, headers={"ETag": etag(version)})


def parse_if_match(header: str | None) -> Precondition:
    """Return the precondition of an `If-Match` header; raises a 400 Refusal when it is no list of tags."""
    if header is None or header.strip() == "*":
        return Precondition()
    if len(header) > _MAX_HEADER_CHARS or not _LIST.fullmatch(header.strip()):
        raise Refusal(400, 'If-Match is neither * nor a list of entity tags such as "7".')
    return Precondition(frozenset(_ONE.findall(header)))


async def _if_match(if_match: Annotated[str | None, Header()] = None) -> Precondition:
    return parse_if_match(if_match)


IfMatch = Annotated[Precondition, Depends(_if_match)]
"""`async def accept(…, if_match: IfMatch)` and then `if_match.check(ticket.version)`."""
