"""Units, people and keys over HTTP, and the events that tell the others."""

from typing import Any

import pytest

from huiyin_chassis.auth import ROLES, sha256_of
from huiyin_contracts.people import KeyChanged, PersonChanged, UnitChanged
from huiyin_directory.app import SERVICE, seed
from tests.support.service import ServiceDriver, pointers

STORE = {"slug": "shanghai-01", "kind": "store", "names": {"zh-CN": "上海一店", "en": "Shanghai 1"}}


async def test_an_empty_directory_starts_with_the_shipped_departments_once(directory: ServiceDriver) -> None:
    await seed(directory.runtime)

    listed = (await directory.client.get("/v1/units", params={"kind": "department"})).json()["items"]

    assert [unit["slug"] for unit in listed] == [
        "customer-service",
        "design",
        "logistics",
        "marketing",
        "product",
    ]
    assert len(await directory.published(UnitChanged)) == 5
    assert SERVICE.on_start is seed


async def test_a_unit_is_made_and_told(directory: ServiceDriver) -> None:
    made = await directory.client.post("/v1/units", json=STORE)

    assert made.status_code == 201
    assert made.headers["ETag"] == '"1"'
    event = (await directory.published(UnitChanged))[-1]
    assert (event.slug, event.kind, event.names["zh-CN"]) == ("shanghai-01", "store", "上海一店")
    read = await directory.client.get("/v1/units/shanghai-01")
    assert read.json() == made.json()


async def test_a_slug_is_taken_once(directory: ServiceDriver) -> None:
    await directory.client.post("/v1/units", json=STORE)

    again = await directory.client.post("/v1/units", json=STORE)

    assert again.status_code == 409
    assert again.json()["type"].endswith("/unit-exists")


async def test_a_change_raises_the_revision_and_the_same_again_does_not(directory: ServiceDriver) -> None:
    await directory.client.post("/v1/units", json=STORE)

    changed = await directory.client.patch("/v1/units/shanghai-01", json={"stream": True})
    same = await directory.client.patch("/v1/units/shanghai-01", json={"stream": True})

    assert (changed.json()["stream"], changed.json()["revision"]) == (True, 2)
    assert same.json()["revision"] == 2
    assert [event.revision for event in await directory.published(UnitChanged)][-2:] == [1, 2]


async def test_a_stale_etag_changes_nothing(directory: ServiceDriver) -> None:
    await directory.client.post("/v1/units", json=STORE)
    await directory.client.patch("/v1/units/shanghai-01", json={"stream": True})

    refused = await directory.client.patch(
        "/v1/units/shanghai-01", json={"active": False}, headers={"If-Match": '"1"'}
    )

    assert refused.status_code == 412
    assert (await directory.client.get("/v1/units/shanghai-01")).json()["active"] is True


@pytest.mark.parametrize("parent", ["nowhere", "shanghai-01", "floor-2"])
async def test_a_parent_must_be_a_unit_that_is_not_below(directory: ServiceDriver, parent: str) -> None:
    await directory.client.post("/v1/units", json=STORE)
    below = {"slug": "floor-2", "kind": "team", "names": {"en": "Floor 2"}, "parent": "shanghai-01"}
    assert (await directory.client.post("/v1/units", json=below)).status_code == 201

    refused = await directory.client.patch("/v1/units/shanghai-01", json={"parent": parent})

    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"slug": "上海"}, "#/slug"),
        ({"slug": "a.b"}, "#/slug"),
        ({"kind": "galaxy"}, "#/kind"),
        ({"names": {}}, "#/names"),
        ({"names": {"en": ""}}, "#/names/en"),
        ({"active": False}, "#/active"),
    ],
)
async def test_a_broken_unit_is_refused_by_place(
    directory: ServiceDriver, changes: dict[str, Any], place: str
) -> None:
    answer = await directory.client.post("/v1/units", json={**STORE, **changes})

    assert answer.status_code == 422
    assert any(found.startswith(place) for found in pointers(answer))


async def test_a_person_is_made_changed_and_told(directory: ServiceDriver) -> None:
    made = await directory.client.post("/v1/people", json={"name": "李雷", "unit": "logistics"})
    person_id = made.json()["id"]

    left = await directory.client.patch(f"/v1/people/{person_id}", json={"active": False})

    assert made.status_code == 201
    assert left.json()["active"] is False
    events = await directory.published(PersonChanged)
    assert [(event.revision, event.active) for event in events] == [(1, True), (2, False)]
    listed = await directory.client.get("/v1/people", params={"unit": "logistics"})
    assert [person["id"] for person in listed.json()["items"]] == [person_id]


async def test_a_person_of_no_known_unit_is_refused(directory: ServiceDriver) -> None:
    answer = await directory.client.post("/v1/people", json={"name": "李雷", "unit": "nowhere"})

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("/unit-unknown")
    assert await directory.published(PersonChanged) == []


async def test_nobody_moves_to_a_unit_that_is_not_there(directory: ServiceDriver) -> None:
    made = (await directory.client.post("/v1/people", json={"name": "李雷", "unit": "logistics"})).json()

    answer = await directory.client.patch(f"/v1/people/{made['id']}", json={"unit": "nowhere"})

    assert answer.status_code == 422
    assert (await directory.client.get(f"/v1/people/{made['id']}")).json()["unit"] == "logistics"


@pytest.mark.parametrize(
    ("method", "path", "problem"),
    [
        ("GET", "/v1/units/nowhere", "unit-not-found"),
        ("PATCH", "/v1/units/nowhere", "unit-not-found"),
        ("GET", "/v1/people/nobody", "person-not-found"),
        ("PATCH", "/v1/people/nobody", "person-not-found"),
        ("POST", "/v1/api-keys/none/revoke", "key-not-found"),
    ],
)
async def test_what_is_addressed_and_not_there_is_not_found(
    directory: ServiceDriver, method: str, path: str, problem: str
) -> None:
    body: dict[str, Any] | None = {} if method == "PATCH" else None

    answer = await directory.client.request(method, path, json=body)

    assert answer.status_code == 404
    assert answer.json()["type"].endswith(f"/{problem}")


async def test_a_key_is_told_once_and_kept_as_a_digest(directory: ServiceDriver) -> None:
    made = await directory.client.post(
        "/v1/api-keys", json={"name": "wechat", "role": "adapter", "departments": ["logistics"]}
    )

    assert made.status_code == 201
    key = made.json()["key"]
    assert key.startswith("huiyin_live_")
    [event] = await directory.published(KeyChanged)
    assert event.sha256 == sha256_of(key)
    assert set(event.scopes) == ROLES["adapter"]
    listed = await directory.client.get("/v1/api-keys")
    assert key not in listed.text
    assert sha256_of(key) not in listed.text
    [row] = await directory.outbox_rows(topic="key.changed")
    assert key.encode() not in row.payload


async def test_a_made_key_opens_the_door_until_it_is_revoked(directory: ServiceDriver) -> None:
    made = (await directory.client.post("/v1/api-keys", json={"name": "ops", "role": "operator"})).json()
    holder = directory.anonymous(made["key"])
    await directory.deliver(*await directory.published(KeyChanged))
    assert (await holder.get("/v1/units")).status_code == 200

    revoked = await directory.client.post(f"/v1/api-keys/{made['id']}/revoke")
    await directory.deliver(*await directory.published(KeyChanged))

    assert revoked.json()["active"] is False
    assert (await holder.get("/v1/units")).status_code == 401
    assert (await directory.client.post(f"/v1/api-keys/{made['id']}/revoke")).status_code == 409


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"role": "emperor"}, "invalid-content"),
        ({"scopes": ["everything"]}, "invalid-content"),
        ({"departments": ["nowhere"]}, "unit-unknown"),
        ({"person_id": "nobody"}, "person-unknown"),
        ({"rate_per_minute": 0}, "invalid-content"),
        ({"expires_at": "2026-01-01"}, "invalid-content"),
    ],
)
async def test_a_broken_key_is_refused(
    directory: ServiceDriver, changes: dict[str, Any], problem: str
) -> None:
    answer = await directory.client.post("/v1/api-keys", json={"name": "k", **changes})

    assert answer.status_code == 422
    assert answer.json()["type"].endswith(f"/{problem}")
    assert await directory.published(KeyChanged) == []


async def test_only_the_admin_makes_keys_and_only_operators_change_units(directory: ServiceDriver) -> None:
    operator, analyst = await directory.key("operator"), await directory.key("analyst")

    assert (await operator.post("/v1/api-keys", json={"name": "k"})).status_code == 403
    assert (await analyst.post("/v1/units", json=STORE)).status_code == 403
    assert (await operator.post("/v1/units", json=STORE)).status_code == 201
    assert (await directory.anonymous().get("/v1/units")).status_code == 401
