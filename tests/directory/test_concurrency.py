"""Writers that meet: nobody's change is lost, nothing is made twice, and revisions never repeat."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import httpx2

from huiyin_contracts.people import KeyChanged, PersonChanged, UnitChanged
from huiyin_directory.app import SERVICE, seed
from huiyin_directory.domain import SHIPPED_UNITS
from tests.support.service import ServiceDriver, running_service

AT_ONCE = 8
READ = {"If-Match": '"1"'}


async def statuses(answers: list[Awaitable[httpx2.Response]]) -> Counter[int]:
    """Return how often each status was answered to requests sent at once."""
    return Counter(answer.status_code for answer in await asyncio.gather(*answers))


async def connect(directory: ServiceDriver) -> None:
    """Open as many connections as will be used at once, so that none of the writers comes late."""
    await asyncio.gather(*(directory.client.get("/v1/units") for _ in range(AT_ONCE)))


async def add_person(directory: ServiceDriver) -> str:
    """Make a person and return the path to them."""
    made = await directory.client.post("/v1/people", json={"name": "李雷"})
    return f"/v1/people/{made.json()['id']}"


def names(number: int) -> dict[str, Any]:
    """Return a change of a unit that is another one for each number."""
    return {"names": {"en": f"Logistics {number}"}}


async def test_of_unit_changes_with_one_etag_only_one_holds(directory: ServiceDriver) -> None:
    await connect(directory)
    patch, path = directory.client.patch, "/v1/units/logistics"

    found = await statuses([patch(path, json=names(number), headers=READ) for number in range(AT_ONCE)])

    assert found == {200: 1, 412: AT_ONCE - 1}
    told = [event.revision for event in await directory.published(UnitChanged) if event.slug == "logistics"]
    assert told == [1, 2]


async def test_of_changes_to_a_person_with_one_etag_only_one_holds(directory: ServiceDriver) -> None:
    await connect(directory)
    patch, path = directory.client.patch, await add_person(directory)

    found = await statuses(
        [patch(path, json={"name": f"李雷 {number}"}, headers=READ) for number in range(AT_ONCE)]
    )

    assert found == {200: 1, 412: AT_ONCE - 1}
    assert [event.revision for event in await directory.published(PersonChanged)] == [1, 2]


async def test_changes_without_an_etag_all_hold_under_revisions_of_their_own(
    directory: ServiceDriver,
) -> None:
    await connect(directory)
    patch, path = directory.client.patch, await add_person(directory)
    changes: list[dict[str, Any]] = [{"name": "韩梅梅"}, {"unit": "design"}, {"roles": ["analyst"]}]

    found = await statuses([patch(path, json=change) for change in changes])

    assert found == {200: 3}
    person = (await directory.client.get(path)).json()
    assert (person["name"], person["unit"], person["roles"]) == ("韩梅梅", "design", ["analyst"])
    assert [event.revision for event in await directory.published(PersonChanged)] == [1, 2, 3, 4]


async def test_a_key_is_revoked_once(directory: ServiceDriver) -> None:
    await connect(directory)
    made = (await directory.client.post("/v1/api-keys", json={"name": "wechat"})).json()

    found = await statuses(
        [directory.client.post(f"/v1/api-keys/{made['id']}/revoke") for _ in range(AT_ONCE)]
    )

    assert found == {200: 1, 409: AT_ONCE - 1}
    assert [event.revision for event in await directory.published(KeyChanged)] == [1, 2]


async def test_two_moves_at_once_never_close_a_ring(directory: ServiceDriver) -> None:
    await connect(directory)
    patch = directory.client.patch

    found = await statuses(
        [
            patch("/v1/units/design", json={"parent": "product"}),
            patch("/v1/units/product", json={"parent": "design"}),
        ]
    )

    assert found == {200: 1, 422: 1}


async def test_a_slug_asked_for_by_many_at_once_is_taken_once(directory: ServiceDriver) -> None:
    await connect(directory)
    store = {"slug": "shanghai-01", "kind": "store", "names": {"zh-CN": "上海一店"}}

    found = await statuses([directory.client.post("/v1/units", json=store) for _ in range(AT_ONCE)])

    assert found == {201: 1, 409: AT_ONCE - 1}
    told = [event for event in await directory.published(UnitChanged) if event.slug == "shanghai-01"]
    assert len(told) == 1


async def test_processes_that_start_at_once_make_the_shipped_departments_once(database_url: str) -> None:
    async with (
        running_service(SERVICE, database_url, started=False) as first,
        running_service(SERVICE, database_url, started=False) as second,
    ):
        await asyncio.gather(connect(first), connect(second))

        await asyncio.gather(*(seed(driver.runtime) for driver in (first, second, first, second)))

        told = sorted(event.slug for event in await first.published(UnitChanged))
        assert told == sorted(shipped.slug for shipped in SHIPPED_UNITS)
        listed = (await second.client.get("/v1/units")).json()["items"]
        assert [unit["slug"] for unit in listed] == told
