"""W3C trace context over the bus, without a tracing library.

The doors set the current `traceparent` (the chassis does it for HTTP, with or without OpenTelemetry); the outbox writes it
into the envelope, and the consumer sets it again around the handler. Source: W3C Trace Context, level 1, section 3.2.
"""

import random
import re
from contextvars import ContextVar, Token
from typing import Final

_SHAPE: Final = re.compile(r"^[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$")
_current: ContextVar[str | None] = ContextVar("huiyin_traceparent", default=None)


def current_traceparent() -> str | None:
    """Return the `traceparent` of the work being done, None outside any trace."""
    return _current.get()


class _Traced:
    """Makes `traceparent` the current one for a block. A class: every request has one, and a generator costs thrice."""

    __slots__ = ("_token", "_traceparent")

    def __init__(self, traceparent: str | None) -> None:
        self._traceparent = traceparent

    def __enter__(self) -> None:
        self._token: Token[str | None] = _current.set(self._traceparent)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


traced: Final = _Traced
"""Reads as a verb: `with traced(traceparent):`."""


def new_traceparent() -> str:
    """Return the `traceparent` of a new, sampled trace."""
    return f"00-{_random_id(128)}-{_random_id(64)}-01"


def child_of(traceparent: str | None) -> str | None:
    """Return a `traceparent` in the same trace with a new parent id, None when there is no valid one."""
    found = _SHAPE.match(traceparent or "")
    return f"00-{found[1]}-{_random_id(64)}-{found[2]}" if found else None


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace's id, for logs; None when there is no valid one."""
    found = _SHAPE.match(traceparent or "")
    return found[1] if found else None


def _random_id(bits: int) -> str:
    # Not from `secrets`: it guards nothing, and every request and event has one. Zero would be no id.
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"
