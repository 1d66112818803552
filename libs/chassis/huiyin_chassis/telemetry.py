"""Where a request stands in a distributed trace: W3C Trace Context always, OpenTelemetry when it is set up.

Every request has a traceparent, taken from its caller or made here. It is the event bus's current one while the
request lasts, so that events appended during the request carry it on.
"""

from huiyin_eventbus import tracing


def child_traceparent(received: str | None) -> str:
    """Return the traceparent of a request: a new span in the caller's trace, or the start of a new trace."""
    return tracing.child_of(received) or tracing.new_traceparent()


def trace_id() -> str:
    """Return the id of the trace in progress, 32 hex digits; zeros outside any request or event."""
    return tracing.trace_id(tracing.current_traceparent()) or "0" * 32
