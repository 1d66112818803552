"""Promises of a demonstration, in seconds: the same policies as shipped, with spans short enough to watch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Promise:
    """How many seconds after its first routing a ticket is to be answered and solved."""

    response_seconds: int
    resolution_seconds: int


DEMO_POLICIES: Final[Mapping[str, Promise]] = {
    "ordinary": Promise(response_seconds=9, resolution_seconds=18),
    "complex": Promise(response_seconds=10, resolution_seconds=20),
    "urgent": Promise(response_seconds=6, resolution_seconds=12),
}


def policies_document(policies: Mapping[str, Promise]) -> str:
    """Return policies as the JSON document that HUIYIN_SLA_POLICIES takes; spans are ISO 8601 durations."""
    return json.dumps(
        {
            name: {
                "response": f"PT{promise.response_seconds}S",
                "resolution": f"PT{promise.resolution_seconds}S",
            }
            for name, promise in policies.items()
        }
    )


def promise_for(
    urgency: str, *, is_complex: bool, policies: Mapping[str, Promise] = DEMO_POLICIES
) -> Promise:
    """Return what is promised to a ticket: strictest first, and a complaint is complex by itself (S32)."""
    if urgency == "urgent":
        return policies["urgent"]
    return policies["complex" if is_complex or urgency == "complaint" else "ordinary"]
