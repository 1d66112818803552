"""The API's description: OpenAPI 3.1 at `/openapi.json`, and Swagger UI at `/docs` from files of our own.

No CDN: the page works offline, and its Content-Security-Policy allows nothing but this server.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from huiyin_chassis.auth import requirement_of
from huiyin_chassis.problems import MEDIA_TYPE, Problem

_MEDIA_TYPES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
# Swagger UI sets style attributes; everything else must be a file of this server.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Huiyin API</title>
<link rel="icon" type="image/png" href="docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="docs/assets/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/assets/swagger-ui-bundle.js"></script>
<script src="docs/assets/start.js"></script>
</body>
</html>
"""
_ERROR_ANSWERS: Final = {
    "4XX": {"$ref": "#/components/responses/Problem"},
    "5XX": {"$ref": "#/components/responses/Problem"},
}
_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


def operation_id(route: APIRoute) -> str:
    """Return the operationId of a route: the name of its function."""
    return route.name


def describe(app: FastAPI) -> dict[str, Any]:
    """Return an app's OpenAPI document, in which every error answer is a problem."""
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for name, schema in _problem_schemas():
        schemas[name] = schema
    components["responses"] = {
        "Problem": {
            "description": "A problem document (RFC 9457).",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    for operation in _operations(document):
        operation["responses"].pop("422", None)
        operation["responses"] |= _ERROR_ANSWERS
    _declare_keys(document, app)
    return document


def _declare_keys(document: dict[str, Any], app: FastAPI) -> None:
    document["components"]["securitySchemes"] = {"ApiKey": {"type": "http", "scheme": "bearer"}}
    for route in iter_route_contexts(app.routes):
        requirement = requirement_of(route)
        methods = route.methods if requirement is not None else None
        for method in methods or ():
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None and requirement is not None:
                # OpenAPI 3.1 lets schemes other than OAuth name the roles that are needed.
                operation["security"] = [{"ApiKey": list(requirement.scopes)}]


def merge(documents: Iterable[Mapping[str, Any]], *, title: str) -> dict[str, Any]:
    """Return one document for services that share a port.

    Schemas of the same name but other content are kept apart by the name of their service.
    """
    merged: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": title, "version": "0"}, "paths": {}}
    components: dict[str, dict[str, Any]] = {}
    for document in documents:
        merged["info"]["version"] = document["info"]["version"]
        own = _apart(document, components.get("schemas", {}))
        merged["paths"] |= own["paths"]
        for kind, named in own.get("components", {}).items():
            components.setdefault(kind, {}).update(named)
    merged["components"] = components
    return merged


def docs_routes(openapi: Callable[[], Mapping[str, Any]]) -> list[Route]:
    """Return the routes of `/openapi.json`, `/docs` and its assets."""

    async def description(_request: Request) -> Response:
        return JSONResponse(openapi())

    async def page(_request: Request) -> Response:
        return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})

    return [
        Route("/openapi.json", description, include_in_schema=False),
        Route("/docs", page, include_in_schema=False),
        Route("/docs/assets/{name}", _asset, include_in_schema=False),
    ]


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _MEDIA_TYPES:
        return Response(status_code=404)
    content = files("huiyin_chassis").joinpath("assets", "swagger-ui", name).read_bytes()
    headers = {"Cache-Control": "public, max-age=86400", "Content-Security-Policy": _POLICY}
    return Response(content, media_type=_MEDIA_TYPES[name], headers=headers)


def _problem_schemas() -> Iterable[tuple[str, dict[str, Any]]]:
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    yield from schema.pop("$defs", {}).items()
    yield "Problem", schema


def _operations(document: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for path in document.get("paths", {}).values():
        yield from (operation for method, operation in path.items() if method in _METHODS)


def _apart(document: Mapping[str, Any], taken: Mapping[str, Any]) -> dict[str, Any]:
    schemas = document.get("components", {}).get("schemas", {})
    service = document["info"]["title"].rpartition(" ")[2].capitalize()
    names = {
        name: f"{service}{name}" for name, schema in schemas.items() if taken.get(name, schema) != schema
    }
    renamed: dict[str, Any] = _rename(document, names)
    own = renamed.get("components", {}).get("schemas", {})
    for name, other in names.items():
        own[other] = own.pop(name)
    return renamed


def _rename(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _rename(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_rename(item, names) for item in value]
    prefix = "#/components/schemas/"
    if isinstance(value, str) and value.removeprefix(prefix) in names and value.startswith(prefix):
        return prefix + names[value.removeprefix(prefix)]
    return value
