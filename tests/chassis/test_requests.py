"""Around every request: a trace, safe headers, a count, and HEAD where there is GET."""

import re

import pytest
from fastapi import APIRouter, Response
from prometheus_client import REGISTRY

from huiyin_eventbus.tracing import current_traceparent
from tests.chassis.web import app_of, client_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
router = APIRouter()


@router.get("/v1/tickets/{ticket_id}")
async def get_ticket(ticket_id: str) -> str | None:
    return current_traceparent()


@router.get("/v1/export")
async def export(response: Response) -> int:
    response.headers["Cache-Control"] = "private"
    return 1


APP = app_of(router, name="framed")


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, {"service": "framed"} | labels) or 0.0


async def test_a_request_goes_on_in_its_callers_trace() -> None:
    async with client_of(APP, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01") as client:
        answer = await client.get("/v1/tickets/1")

        assert answer.headers["x-trace-id"] == TRACE
        assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", answer.json())
        assert "00f067aa0ba902b7" not in answer.json()


@pytest.mark.parametrize("received", ["", "junk", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "ff-x\x00"])
async def test_a_request_without_a_sound_trace_begins_one(received: str) -> None:
    async with client_of(APP) as client:
        first = await client.get("/v1/tickets/1", headers={"traceparent": received})
        second = await client.get("/v1/tickets/1", headers={"traceparent": received})

        assert re.fullmatch(r"[0-9a-f]{32}", first.headers["x-trace-id"])
        assert first.headers["x-trace-id"] != second.headers["x-trace-id"]
        assert current_traceparent() is None


async def test_every_answer_is_safe_to_show_a_browser() -> None:
    async with client_of(APP, Origin="https://evil.example") as client:
        for path in ("/v1/tickets/1", "/v1/nothing", "/readyz", "/docs"):
            answer = await client.get(path)

            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["cache-control"] == "no-store"
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert not [name for name in answer.headers if name.startswith("access-control")]
            assert "x-huiyin-problem" not in answer.headers
            assert "server" not in answer.headers


async def test_an_endpoint_may_say_how_long_its_answer_keeps() -> None:
    async with client_of(APP) as client:
        assert (await client.get("/v1/export")).headers["cache-control"] == "private"


async def test_what_can_be_got_can_be_asked_for_its_head() -> None:
    async with client_of(APP) as client:
        whole = await client.get("/v1/export")
        head = await client.head("/v1/export")
        missing = await client.head("/v1/nothing")

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == whole.headers["content-length"]
        assert (missing.status_code, missing.content) == (404, b"")


async def test_requests_are_counted_by_route_and_not_by_path() -> None:
    labels = {"method": "GET", "route": "/v1/tickets/{ticket_id}", "status": "200"}
    before = counted("huiyin_http_request_seconds_count", **labels)

    async with client_of(APP) as client:
        for number in range(3):
            await client.get(f"/v1/tickets/{number}")

    assert counted("huiyin_http_request_seconds_count", **labels) == before + 3
    assert counted("huiyin_http_requests_in_flight") == 0


async def test_strangers_add_no_labels() -> None:
    before = counted("huiyin_http_request_seconds_count", method="other", route="(none)", status="404")

    async with client_of(APP) as client:
        await client.request("BREW", "/coffee/1")
        await client.request("STEEP", "/tea/2")

    after = counted("huiyin_http_request_seconds_count", method="other", route="(none)", status="404")
    assert after == before + 2


async def test_refusals_are_counted_by_reason() -> None:
    before = counted("huiyin_http_rejected_total", problem="not-found")

    async with client_of(APP) as client:
        await client.get("/v1/nothing")

    assert counted("huiyin_http_rejected_total", problem="not-found") == before + 1


@pytest.mark.parametrize("address", ["/v1/tickets/%00", "/v1/tickets/a%00b", "/v1/tickets/1?department=%00"])
async def test_an_address_with_a_nul_is_refused_before_it_reaches_a_database(address: str) -> None:
    async with client_of(APP) as client:
        answer = await client.get(address)

        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert "\x00" not in answer.text
