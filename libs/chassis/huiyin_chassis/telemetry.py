"""Where a request stands in a distributed trace: W3C Trace Context always, OpenTelemetry when it is set up.

Every request has a traceparent, taken from its caller or made here. It is the event bus's current one while the
request lasts, so that events appended during the request carry it on. Spans are made by FastAPI itself, and only when
the extra `otel` is installed and `OTEL_EXPORTER_OTLP_ENDPOINT` says where they go.
"""

import os
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

from huiyin_eventbus import tracing

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_exporting() -> bool:
    """Tell whether spans have somewhere to go: an endpoint is set and the extra `otel` is installed."""
    return any(os.environ.get(name) for name in _ENDPOINTS) and find_spec("opentelemetry.sdk") is not None


def telemetry_config() -> TelemetryConfig:
    """Return FastAPI's telemetry settings: request spans or nothing.

    Its logs stay off, because they carry exception texts; metrics are Prometheus's.
    """
    off: TelemetryConfig = {
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
    }
    if not is_exporting():
        return off | {"tracing": False}
    return off | {"tracing": True, "tracer_provider": _exporting_provider()}


@cache
def _exporting_provider() -> "TracerProvider":
    """Return the process's tracer provider, which sends spans in the background and the rest of them at exit.

    FastAPI would set it up in its lifespan, but apps that share a port have none.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def request_traceparent(received: str | None) -> str:
    """Return the traceparent of a request: that of its span, a child of its caller's, or the start of a new trace."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
    return tracing.child_of(received) or tracing.new_traceparent()


def trace_id() -> str:
    """Return the id of the trace in progress, 32 hex digits; zeros outside any request or event."""
    return tracing.trace_id(tracing.current_traceparent()) or "0" * 32
