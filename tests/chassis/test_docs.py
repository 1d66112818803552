"""The API describes itself without help from anywhere else."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.docs import merge
from huiyin_chassis.http import create_suite_app
from huiyin_chassis.pages import Page, PageRequest
from tests.chassis.web import app_of, client_of


def service(name: str, *fields: str) -> FastAPI:
    view = type("View", (BaseModel,), {"__annotations__": dict.fromkeys(fields, str)})
    router = APIRouter()

    @router.get(f"/v1/{name}", name=f"list_{name}", response_model=Page[view])  # type: ignore[valid-type]  # made here
    async def list_items(
        request: PageRequest, principal: Annotated[Principal, require("tickets:read")]
    ) -> Any:
        return Page(items=[])

    return app_of(router, name=name)


async def described(app: object) -> dict[str, Any]:
    async with client_of(app) as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
    return document


def references(value: object) -> set[str]:
    if isinstance(value, Mapping):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    return set()


def is_there(document: Any, reference: str) -> bool:
    for step in reference.removeprefix("#/").split("/"):
        if step not in document:
            return False
        document = document[step]
    return True


async def test_operations_are_named_by_their_functions_and_fail_with_problems() -> None:
    document = await described(service("tickets", "id"))

    operation = document["paths"]["/v1/tickets"]["get"]
    assert document["openapi"].startswith("3.1")
    assert operation["operationId"] == "list_tickets"
    assert operation["security"] == [{"ApiKey": ["tickets:read"]}]
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"
    assert set(operation["responses"]) == {"200", "4XX", "5XX"}
    assert "application/problem+json" in document["components"]["responses"]["Problem"]["content"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert [reference for reference in references(document) if not is_there(document, reference)] == []


async def test_services_on_one_port_share_one_description_and_keep_their_own_schemas() -> None:
    apps = {"tickets": service("tickets", "id"), "clocks": service("clocks", "id", "state")}
    document = await described(create_suite_app(apps, healths={}))

    schemas = document["components"]["schemas"]
    assert {"/v1/tickets", "/v1/clocks", "/v1/dead-letters"} <= set(document["paths"])
    assert set(schemas["View"]["properties"]) == {"id"}
    assert set(schemas["ClocksView"]["properties"]) == {"id", "state"}
    page = document["paths"]["/v1/clocks"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    items = schemas[page["$ref"].rpartition("/")[2]]["properties"]["items"]["items"]
    assert items == {"$ref": "#/components/schemas/ClocksView"}
    assert [reference for reference in references(document) if not is_there(document, reference)] == []


def test_merging_equal_schemas_renames_nothing() -> None:
    document = {
        "info": {"title": "Huiyin a", "version": "1"},
        "paths": {"/a": {}},
        "components": {"schemas": {"Same": {"type": "object"}}},
    }

    merged = merge([document, document | {"paths": {"/b": {}}}], title="Huiyin")

    assert set(merged["paths"]) == {"/a", "/b"}
    assert set(merged["components"]["schemas"]) == {"Same"}


async def test_the_page_loads_nothing_from_elsewhere() -> None:
    async with client_of(service("tickets")) as client:
        page = await client.get("/docs")
        assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        answers = {asset: await client.get(f"/{asset}") for asset in assets}

    assert len(assets) == 4
    assert {answer.status_code for answer in answers.values()} == {200}
    assert not re.search(r"<script(?![^>]*src)|\son\w+=|https?://", page.text)
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert answers["docs/assets/swagger-ui-bundle.js"].headers["content-type"].startswith("text/javascript")
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["LICENSE", "..%2f..%2fdocs.py", "nothing.js"])
async def test_only_the_assets_are_served(name: str) -> None:
    async with client_of(service("tickets")) as client:
        answer = await client.get(f"/docs/assets/{name}")

    assert answer.status_code == 404
