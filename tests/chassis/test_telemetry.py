"""Spans are made only where they can go; traces go on either way."""

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


def test_with_an_endpoint_requests_are_traced_but_exception_texts_stay_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")

    config = telemetry_config()

    assert (config["tracing"], config["auto_configure"], config["logs"]) == (True, True, False)


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
