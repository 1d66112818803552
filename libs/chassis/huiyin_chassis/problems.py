"""Problem documents (RFC 9457): the one shape in which every refusal and every failure leaves a service.

A door raises `Refusal` for what HTTP itself knows (keys, bodies, preconditions); services raise their own
exceptions and map them to a status in `PROBLEMS`. An answer never carries a trace, a cause or a value that
the caller sent: only where it stood and what was expected of it.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from sqlalchemy import exc as sa_exc
from starlette.exceptions import HTTPException
from starlette.responses import Response

from huiyin_chassis.errors import Overloaded
from huiyin_chassis.telemetry import trace_id
from huiyin_eventbus.failures import is_infrastructure

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
PROBLEM_SLUG: Final = b"x-huiyin-problem"
"""A header between the app and its outermost middleware, which counts by it and takes it away."""
TYPE_BASE: Final = "https://huiyin.dev/problems/"
RETRY_AFTER_SECONDS: Final = 2
_MAX_ERRORS: Final = 50
_MAX_POINTER_CHARS: Final = 300
_SLUGS: Final = {
    400: "malformed-request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    409: "conflict",
    412: "precondition-failed",
    413: "body-too-large",
    415: "unsupported-media-type",
    422: "invalid-content",
    429: "too-many-requests",
    500: "internal-error",
    503: "unavailable",
}


class FieldError(BaseModel):
    """One thing wrong in a request: `pointer` for the body (RFC 6901 as URI fragment), `parameter` for the rest."""

    pointer: str | None = None
    parameter: str | None = None
    detail: str


class Problem(BaseModel):
    """The body of every answer with status 400 and above."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    trace_id: str
    errors: list[FieldError] | None = None


class Refusal(HTTPException):
    """A request is refused at the door.

    `slug` ends the problem's `type`; `members` become further members of the document. It is an HTTPException so
    that FastAPI lets it through where it reads bodies.
    """

    def __init__(  # told in the class docstring
        self,
        status: int,
        detail: str,
        *,
        slug: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(status_code=status, detail=detail, headers=headers)
        self.slug = slug or slug_of_status(status)
        self.errors = tuple(errors)
        self.members = dict(members or {})


def slug_of_status(status: int) -> str:
    """Return the problem slug that stands for a bare status."""
    return _SLUGS.get(status) or re.sub(r"[^a-z]+", "-", HTTPStatus(status).phrase.lower())


def slug_of_exception(exception: type[Exception]) -> str:
    """Return the slug of a service's exception: `TicketNotFound` gives `ticket-not-found`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", exception.__name__).lower()


def pointer(steps: Iterable[str | int]) -> str:
    """Return an RFC 6901 pointer in its URI fragment form, cut to a bounded length."""
    path = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "#" + quote(path[:_MAX_POINTER_CHARS], safe="/~:@!$&'()*+,;=-._", errors="replace")


def problem_response(
    path: str,
    *,
    status: int,
    detail: str,
    slug: str | None = None,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """Return the problem document as a response; `path` becomes its `instance`."""
    slug = slug or slug_of_status(status)
    document: dict[str, Any] = dict(members or {}) | {
        "type": TYPE_BASE + slug,
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
        "instance": path,
        "trace_id": trace_id(),
    }
    if errors:
        document["errors"] = [error.model_dump(exclude_none=True) for error in errors]
    body = json.dumps(document, ensure_ascii=False, default=str).encode("utf-8", "replace")
    marked = dict(headers or {}) | {PROBLEM_SLUG.decode(): slug}
    return Response(body, status, headers=marked, media_type=MEDIA_TYPE)


def internal_error(path: str) -> Response:
    """Return the last resort: a 500 that tells nothing but the trace id under which the cause was logged."""
    detail = "Something went wrong on our side. The trace id finds it in the service's log."
    return problem_response(path, status=500, detail=detail)


def malformed_address(path: str) -> Response:
    """Return the 400 of a path or query that holds what no name can hold."""
    return problem_response(
        path.replace("\x00", "%00"), status=400, detail="The address holds a NUL character."
    )


def unavailable(path: str, *, detail: str = "The service's database is out of reach; try again.") -> Response:
    """Return a 503 with Retry-After."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return problem_response(path, status=503, detail=detail, headers=headers)


def install_problems(app: FastAPI, problems: Mapping[type[Exception], int]) -> None:
    """Let the app answer the service's exceptions, refusals, invalid requests and a lost database with problems."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    for lost in (sa_exc.DBAPIError, sa_exc.TimeoutError, OSError):
        app.add_exception_handler(lost, _on_database_error)
    app.add_exception_handler(Overloaded, _on_overload)
    for exception, status in problems.items():
        app.add_exception_handler(exception, _ServiceProblem(status))


class _ServiceProblem:
    """Answers one of a service's own exceptions: its message is the detail, its `extensions` become members."""

    def __init__(self, status: int) -> None:
        self.status = status

    async def __call__(self, request: Request, error: Exception) -> Response:
        names: tuple[str, ...] = getattr(error, "extensions", ())
        return problem_response(
            request.url.path,
            status=self.status,
            detail=str(error),
            slug=slug_of_exception(type(error)),
            members={name: _jsonable(getattr(error, name)) for name in names},
        )


def _jsonable(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else value


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # Starlette calls by registered class
    path = request.url.path
    if isinstance(error, Refusal):
        return problem_response(
            path,
            status=error.status_code,
            detail=error.detail,
            slug=error.slug,
            errors=error.errors,
            headers=error.headers,
            members=error.members,
        )
    detail = _PLAIN_DETAILS.get(error.status_code, error.detail)
    headers = (
        {"Allow": _allowed(request)} if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else error.headers
    )
    return problem_response(path, status=error.status_code, detail=detail, headers=headers)


def _allowed(request: Request) -> str:
    """Return all methods of a path; the router's own answer knows only those of the first route that has it."""
    path = request.scope["path"]
    methods: set[str] = set()
    for found in iter_route_contexts(request.app.routes):
        pattern: re.Pattern[str] | None = getattr(found, "path_regex", None)
        if pattern is not None and pattern.match(path):
            methods |= found.methods or set()
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


_PLAIN_DETAILS: Final = {
    404: "Nothing is found here.",
    405: "This resource does not know that method.",
    413: "The body is larger than this resource takes.",
}


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # Starlette calls by registered class
    return invalid_content(request.url.path, error.errors())


def invalid_content(path: str, errors: Sequence[Mapping[str, Any]]) -> Response:
    """Return the 422 of pydantic's errors, whose locations start with `body`, `query`, `path` or `header`."""
    detail = "The request breaks the rules of this resource; see errors."
    return problem_response(path, status=422, detail=detail, errors=field_errors(errors))


def field_errors(errors: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Return pydantic's errors as pointers and parameters, at most 50, without any value that was sent."""
    return [_field_error(error) for error in errors[:_MAX_ERRORS]]


def _field_error(error: Mapping[str, Any]) -> FieldError:
    where, *steps = error["loc"] or ("body",)
    detail = _silent_detail(error)
    if where == "body":
        return FieldError(pointer=pointer(steps), detail=detail)
    return FieldError(parameter=".".join(str(step) for step in steps), detail=detail)


def _silent_detail(error: Mapping[str, Any]) -> str:
    # The one message of pydantic that repeats what was sent.
    if error["type"] == "union_tag_invalid":
        return f"Expected one of {error['ctx']['expected_tags']}"
    return str(error["msg"]).removeprefix("Value error, ")


async def _on_database_error(request: Request, error: Exception) -> Response:
    if not is_infrastructure(error):
        raise error
    log.warning("database_out_of_reach", error=type(error).__name__)
    return unavailable(request.url.path)


async def _on_overload(request: Request, error: Exception) -> Response:
    log.warning("request_shed", error=type(error).__name__)
    return unavailable(request.url.path, detail="The service is busy; try again in a moment.")
