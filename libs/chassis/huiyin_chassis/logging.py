"""Logs: one JSON object per line on stderr, from our own code and from every library, without customer data.

Facts are named in snake_case and carry fields. Whatever a field is called after (a text, a name, a key) is hidden by
name, and exceptions are told without the values of statements and rows (`tracebacks`). There is no access log: metrics count requests,
and the level `debug` tells each one.
"""

import logging
import logging.config
import sys
from collections.abc import Mapping
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from huiyin_chassis.tracebacks import rendered
from huiyin_eventbus import tracing

REDACTED: Final = "[redacted]"
_HIDDEN: Final = frozenset(
    {
        "address",
        "admin_key",
        "api_key",
        "author",
        "authorization",
        "body",
        "cookie",
        "email",
        "key",
        "name",
        "note",
        "password",
        "payload",
        "phone",
        "secret",
        "subject",
        "summary",
        "text",
        "token",
    }
)
_MAX_CHARS: Final = 2000
_MAX_DEPTH: Final = 4
_QUIET: Final = (
    "aiokafka",
    "alembic",
    "asyncio",
    "httpcore2",
    "httpx2",
    "sqlalchemy",
    "uvicorn.access",
)


def configure_logging(level: str = "info") -> None:
    """Send all logs of this process to stderr as JSON, from this level up; libraries only from `warning` up."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace_id,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(rendered),
                redact,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


def add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the trace in progress, if there is one: free for all that is not logged. A structlog processor."""
    found = tracing.trace_id(tracing.current_traceparent())
    if found is not None:
        event.setdefault("trace_id", found)
    return event


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide fields whose names promise personal data or secrets, and cut and escape the rest. A structlog processor."""
    return {key: _safe(key, value, depth=0) for key, value in event.items()}


def _safe(key: str, value: Any, *, depth: int) -> Any:
    if _is_hidden(key):
        return REDACTED
    if isinstance(value, str):
        return _one_line(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == _MAX_DEPTH:
        return _one_line(type(value).__name__)
    if isinstance(value, Mapping):
        return {str(name): _safe(str(name), item, depth=depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe("", item, depth=depth + 1) for item in value]
    return _one_line(str(value))


def _is_hidden(key: str) -> bool:
    # Also `customer_name` and `author_email`, but not `keys` or `text_length`.
    return key.lower() in _HIDDEN or key.lower().rpartition("_")[2] in _HIDDEN


def _one_line(text: str) -> str:
    cut = text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + "…"
    # The JSON renderer escapes line feeds; other control characters could still drive a terminal.
    return "".join(
        character if character in "\n\t" or character.isprintable() else ascii(character)[1:-1]
        for character in cut
    )
