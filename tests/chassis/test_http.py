"""A service's app is whole by itself, and several on one port are still themselves."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.errors import RoutesConflict
from huiyin_chassis.health import Health
from huiyin_chassis.http import create_suite_app
from huiyin_chassis.pages import PageRequest
from tests.chassis.web import ADMIN, app_of, client_of, pointers, slug


class Filters(BaseModel):
    status: str | None = None
    store: str | None = None


def router_of(name: str) -> APIRouter:
    router = APIRouter()

    @router.get(f"/v1/{name}")
    async def list_items(
        request: PageRequest,
        filters: Annotated[Filters, Query()],
        principal: Annotated[Principal, require("tickets:read")],
        assignee: str | None = None,
    ) -> str:
        return name

    @router.get(f"/v1/{name}/raw")
    async def raw(request: Request) -> str:
        return request.url.query

    return router


def started() -> Health:
    health = Health()
    health.has_started = True
    return health


async def test_known_parameters_are_taken_wherever_they_are_declared() -> None:
    async with client_of(app_of(router_of("tickets")), **ADMIN) as client:
        answer = await client.get("/v1/tickets?limit=1&status=open&store=s1&assignee=a")

        assert answer.json() == "tickets"


async def test_a_misspelt_parameter_is_refused_instead_of_listing_everything() -> None:
    async with client_of(app_of(router_of("tickets")), **ADMIN) as client:
        answer = await client.get("/v1/tickets?deparment=logistics&status=open")

        assert (answer.status_code, slug(answer)) == (422, "invalid-content")
        assert pointers(answer) == {"deparment": "No such parameter."}


async def test_an_unknown_caller_learns_nothing_about_parameters() -> None:
    async with client_of(app_of(router_of("tickets"))) as client:
        assert (await client.get("/v1/tickets?x=1")).status_code == 401


async def test_an_endpoint_that_reads_the_request_itself_takes_any_parameter() -> None:
    async with client_of(app_of(router_of("tickets"))) as client:
        assert (await client.get("/v1/tickets/raw?signature=1")).json() == "signature=1"


async def test_a_slash_too_many_is_not_found_and_not_a_redirect() -> None:
    async with client_of(app_of(router_of("tickets")), **ADMIN) as client:
        assert (await client.get("/v1/tickets/")).status_code == 404


async def test_plain_routes_live_behind_the_same_door() -> None:
    router = APIRouter()

    async def hot(_request: Request) -> Response:
        raise KeyError("never shown")

    async def fine(_request: Request) -> Response:
        return PlainTextResponse("ok")

    router.add_route("/v1/hot", hot, methods=["POST"])
    router.add_route("/v1/fine", fine)
    async with client_of(app_of(router)) as client:
        answer = await client.get("/v1/fine")

        assert (answer.text, answer.headers["cache-control"]) == ("ok", "no-store")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/startupz", "/metrics", "/openapi.json", "/docs"])
async def test_operations_need_no_key_alone_and_together(path: str) -> None:
    alone = app_of(router_of("tickets"))
    together = create_suite_app({"desk": alone}, healths={"desk": started()})

    async with client_of(alone) as one, client_of(together) as other:
        assert (await one.get(path)).status_code == 200
        assert (await other.get(path)).status_code == 200


async def test_on_one_port_each_path_finds_its_service_and_the_rest_is_not_found() -> None:
    apps = {name: app_of(router_of(name), name=name) for name in ("tickets", "clocks")}
    suite = create_suite_app(apps, healths={name: started() for name in apps})

    async with client_of(suite, **ADMIN) as client:
        answers = {name: (await client.get(f"/v1/{name}")).json() for name in apps}
        unknown = await client.get("/v1/nothing")
        ready = await client.get("/readyz")

        assert answers == {"tickets": "tickets", "clocks": "clocks"}
        assert (unknown.status_code, slug(unknown)) == (404, "not-found")
        assert ready.json()["ready"] is True


def test_two_services_cannot_claim_the_same_path() -> None:
    apps = {name: app_of(router_of("tickets"), name=name) for name in ("desk", "sla")}

    with pytest.raises(RoutesConflict):
        create_suite_app(apps, healths={})
