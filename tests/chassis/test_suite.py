"""What holds for the APIs of all installed services together."""

from collections import Counter
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from huiyin_chassis.auth import requirement_of
from huiyin_chassis.db import Database
from huiyin_chassis.http import create_service_app, create_suite_app
from huiyin_chassis.runtime import Runtime
from huiyin_chassis.service import Service, load_services
from huiyin_chassis.settings import Settings
from tests.chassis.web import NEVER_OPENED, client_of

# Channels prove themselves by signatures, not by keys.
OPEN_PREFIXES = ("/v1/in/",)


@pytest.fixture(scope="module")
def apps() -> dict[str, FastAPI]:
    return {service.name: app_of(service) for service in load_services()}


def app_of(service: Service) -> FastAPI:
    return create_service_app(service, Runtime(service, Settings(), database=Database(NEVER_OPENED)))


async def described(apps: dict[str, FastAPI]) -> dict[str, Any]:
    async with client_of(create_suite_app(apps, healths={})) as client:
        document: dict[str, Any] = (await client.get("/openapi.json")).json()
    return document


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_endpoint_asks_for_a_key(apps: dict[str, FastAPI]) -> None:
    open_paths = {
        route.path
        for app in apps.values()
        for route in iter_route_contexts(app.routes)
        if (route.path or "").startswith("/v") and requirement_of(route) is None
    }

    assert [path for path in open_paths if not str(path).startswith(OPEN_PREFIXES)] == []


async def test_without_a_key_every_endpoint_answers_401_whatever_is_sent(apps: dict[str, FastAPI]) -> None:
    found = operations(await described(apps))

    async with client_of(create_suite_app(apps, healths={})) as client:
        answers = {
            (method, path): (
                await client.request(method, path.replace("{", "").replace("}", ""), content=b"{")
            )
            for method, path, _ in found
            if not path.startswith(OPEN_PREFIXES)
        }

    assert {call: answer.status_code for call, answer in answers.items() if answer.status_code != 401} == {}


async def test_operations_have_names_of_their_own(apps: dict[str, FastAPI]) -> None:
    names = Counter(operation["operationId"] for _, _, operation in operations(await described(apps)))

    assert [name for name, count in names.items() if count > 1] == []


async def test_every_operation_says_what_it_does(apps: dict[str, FastAPI]) -> None:
    found = operations(await described(apps))

    assert [f"{method} {path}" for method, path, operation in found if not operation.get("description")] == []
