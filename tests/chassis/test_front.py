"""One port for many services: who owns which path."""

from collections.abc import Sequence

import pytest
from fastapi import APIRouter, FastAPI
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import MetaData

from huiyin_chassis.errors import RoutesConflict, RouteUnowned
from huiyin_chassis.front import Front, owned_segments
from huiyin_chassis.service import Service


def service(name: str, paths: Sequence[str]) -> Service:
    router = APIRouter()
    for path in paths:

        @router.get(path)
        async def answer() -> str:
            return name

    return Service(name=name, router=router, metadata=MetaData())


def app(of: Service | str) -> FastAPI:
    made = FastAPI()
    if isinstance(of, Service):
        made.include_router(of.router)
        return made

    @made.get("/{path:path}")
    async def answer(path: str) -> str:
        return of

    return made


def test_routes_of_an_included_router_are_owned_too() -> None:
    outer = APIRouter()
    outer.include_router(service("desk", ["/v1/tickets"]).router)
    desk = Service(name="desk", router=outer, metadata=MetaData())

    assert owned_segments([desk]) == {("v1", "tickets"): desk}


async def test_each_path_goes_to_its_owner_and_the_rest_to_the_shared_app() -> None:
    desk = service("desk", ["/v1/tickets", "/v1/tickets/{ticket_id}/accept"])
    sla = service("sla", ["/v1/clocks", "/v1/policies/{policy_id}"])
    owners = {segments: app(owner) for segments, owner in owned_segments([desk, sla]).items()}
    front = Front(owners, shared=app("shared"))

    async with AsyncClient(transport=ASGITransport(front), base_url="http://test") as client:
        answers = [
            (await client.get(path)).json()
            for path in [
                "/v1/tickets",
                "/v1/tickets/7/accept",
                "/v1/clocks",
                "/v1/policies/x",
                "/livez",
                "/v1/x",
            ]
        ]

    assert answers == ["desk", "desk", "sla", "sla", "shared", "shared"]


def test_two_services_on_one_path_are_refused_at_start() -> None:
    with pytest.raises(RoutesConflict, match="desk and sla both answer /v1/tickets"):
        owned_segments([service("desk", ["/v1/tickets/{ticket_id}"]), service("sla", ["/v1/tickets"])])


def test_no_service_may_take_what_all_answer_together() -> None:
    with pytest.raises(RoutesConflict, match="dead-letters"):
        owned_segments([service("desk", ["/v1/dead-letters"])])


@pytest.mark.parametrize("path", ["/v1", "/v1/{anything}", "/{version}/tickets", "/v1/"])
def test_a_route_without_a_segment_of_its_own_is_refused(path: str) -> None:
    with pytest.raises(RouteUnowned):
        owned_segments([service("desk", [path])])
