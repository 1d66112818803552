"""Spans are made only where they can go; traces go on either way."""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from huiyin_chassis.telemetry import is_exporting, request_traceparent, telemetry_config, trace_id
from huiyin_eventbus.tracing import traced


def test_without_an_endpoint_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", raising=False)

    config = telemetry_config()

    assert not is_exporting()
    assert not any(config.values())


SERVED = """
import asyncio
from fastapi import APIRouter
from huiyin_eventbus.tracing import current_traceparent
from tests.chassis.web import app_of, client_of

router = APIRouter()

@router.get("/v1/tickets/{ticket_id}")
async def get_ticket(ticket_id: str) -> str | None:
    return current_traceparent()

async def main() -> None:
    async with client_of(app_of(router)) as client:
        answer = await client.get(
            "/v1/tickets/1", headers={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        )
        print(answer.json())

asyncio.run(main())
"""


class Collector(BaseHTTPRequestHandler):
    """Takes what an OTLP exporter sends."""

    received: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def test_with_an_endpoint_the_spans_of_requests_arrive_there_in_their_callers_trace() -> None:
    # A process of its own: a tracer provider is for ever.
    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = Thread(target=collector.serve_forever)
        thread.start()
        environment = os.environ | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"
        }
        ran = subprocess.run(
            [sys.executable, "-c", SERVED],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        collector.shutdown()
        thread.join()

    (sent,) = Collector.received
    traceparent = ran.stdout.splitlines()[-1]
    assert bytes.fromhex("4bf92f3577b34da6a3ce929d0e0e4736") in sent
    assert bytes.fromhex(traceparent[36:52]) in sent
    assert b"/v1/tickets/{ticket_id}" in sent


def test_the_span_of_a_request_is_what_its_events_carry_on() -> None:
    tracer = TracerProvider().get_tracer("test")

    with tracer.start_as_current_span("request") as span:
        traceparent = request_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")

    context = span.get_span_context()
    ids = f"{trace.format_trace_id(context.trace_id)}-{trace.format_span_id(context.span_id)}"
    assert traceparent.startswith(f"00-{ids}-")


def test_the_trace_id_is_that_of_the_work_in_progress() -> None:
    assert trace_id() == "0" * 32
    with traced("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"):
        assert trace_id() == "4bf92f3577b34da6a3ce929d0e0e4736"
