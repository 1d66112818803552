"""Who plays in a demonstration: each department with a key and people of its own, and customer service's reviewer."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Final

from huiyin_simulator.client import SuiteClient, connected
from huiyin_simulator.errors import KeyRefused

_NAMES: Final = (
    "李娜",
    "王磊",
    "张敏",
    "刘洋",
    "陈静",
    "杨帆",
    "赵倩",
    "黄伟",
    "周宁",
    "吴桐",
    "徐朗",
    "孙悦",
)
_PEOPLE_EACH: Final = 2
_KNOWN_WITHIN_SECONDS: Final = 30
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Cast:
    """The departments' clients by slug, the reviewer's client, people's ids by slug, and names of departments."""

    departments: Mapping[str, SuiteClient]
    reviewer: SuiteClient
    people: Mapping[str, tuple[str, ...]]
    names: Mapping[str, Mapping[str, str]]


@asynccontextmanager
async def hired(admin: SuiteClient, url: str) -> AsyncIterator[Cast]:
    """Make people and keys through the directory, and give clients with these keys once the desk knows them."""
    names = {unit["slug"]: unit["names"] async for unit in admin.items("/v1/units", kind="department")}
    people = {slug: await _add_people(admin, slug, place=place) for place, slug in enumerate(names)}
    async with AsyncExitStack() as stack:
        clients = {}
        for slug, called in names.items():
            name = " ".join(dict.fromkeys(called.values()))
            key = await _key(admin, name=name, role="department", departments=[slug])
            clients[slug] = await stack.enter_async_context(connected(url, key))
        key = await _key(admin, name="复核 Review", role="customer_service", departments=["*"])
        reviewer = await stack.enter_async_context(connected(url, key))
        for client in (*clients.values(), reviewer):
            await _until_known(client)
        yield Cast(clients, reviewer, people, names)


async def _add_people(admin: SuiteClient, slug: str, *, place: int) -> tuple[str, ...]:
    first = place * _PEOPLE_EACH
    names = [_NAMES[number % len(_NAMES)] for number in range(first, first + _PEOPLE_EACH)]
    bodies = [{"name": name, "unit": slug, "roles": ["department"]} for name in names]
    return tuple([(await admin.make("/v1/people", body))["id"] for body in bodies])


async def _key(admin: SuiteClient, *, name: str, role: str, departments: Sequence[str]) -> str:
    made = await admin.post("/v1/api-keys", {"name": name, "role": role, "departments": departments})
    return str(made["key"])


async def _until_known(client: SuiteClient) -> None:
    """Wait until the desk has heard of a key. Raises KeyRefused when it has not after half a minute."""
    ends_at = monotonic() + _KNOWN_WITHIN_SECONDS
    while True:
        try:
            await client.get("/v1/tickets", limit=1)
        except KeyRefused:
            if monotonic() > ends_at:
                raise
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return
