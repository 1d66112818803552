"""The bare ceiling: validate one feedback or a batch and answer 202; nothing is stored, nobody's key is asked for.

`fastapi_app` declares its bodies as FastAPI wants it, `starlette_app` validates the bytes itself. Both have the
routes of Huiyin's intake by number, the measured one first. The models are not Huiyin's, so that a costly rule of ours does
not slow the reference down.
"""

from datetime import datetime
from typing import Annotated, Final
from uuid import uuid4

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field, TypeAdapter
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

_OTHER_ROUTES: Final = 4


class Author(BaseModel):
    id: Annotated[str, Field(min_length=1, max_length=128)]
    name: Annotated[str | None, Field(max_length=100)] = None
    tier: str | None = None


class Rating(BaseModel):
    value: Annotated[float, Field(ge=0)]
    max: Annotated[float, Field(gt=0)] = 5


class Feedback(BaseModel):
    external_id: Annotated[str, Field(min_length=1, max_length=128)]
    channel: Annotated[str, Field(min_length=1, max_length=64)]
    kind: Annotated[str, Field(min_length=1, max_length=64)]
    subject: Annotated[str | None, Field(max_length=200)] = None
    text: Annotated[str, Field(min_length=1, max_length=20000)]
    author: Author
    product: str | None = None
    rating: Rating | None = None
    lang: str = "zh-CN"
    occurred_at: datetime
    tags: Annotated[list[str], Field(max_length=20)] = []
    extra: dict[str, str] = {}


class Batch(BaseModel):
    items: Annotated[list[Feedback], Field(max_length=1000)]


class Accepted(BaseModel):
    id: str
    status: str = "received"
    duplicate: bool = False


class AcceptedBatch(BaseModel):
    items: list[Accepted]


fastapi_app: Final = FastAPI()


@fastapi_app.post("/v1/feedback", status_code=202)
async def post_feedback(_body: Feedback) -> Accepted:
    """Answer one feedback."""
    return _accepted()


@fastapi_app.post("/v1/feedback/batch", status_code=202)
async def post_batch(body: Batch) -> AcceptedBatch:
    """Answer a batch."""
    return AcceptedBatch(items=[_accepted() for _ in body.items])


async def _other() -> Accepted:
    return _accepted()


for _number in range(_OTHER_ROUTES):
    fastapi_app.add_api_route(f"/v1/other-{_number}", _other)


async def _raw_feedback(request: Request) -> Response:
    _one.validate_json(await request.body())
    return _json(_accepted())


async def _raw_batch(request: Request) -> Response:
    batch = _many.validate_json(await request.body())
    return _json(AcceptedBatch(items=[_accepted() for _ in batch.items]))


def _json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(), 202, media_type="application/json")


def _accepted() -> Accepted:
    return Accepted(id=uuid4().hex)


_one: Final = TypeAdapter(Feedback).validator
_many: Final = TypeAdapter(Batch).validator
starlette_app: Final = Starlette(
    routes=[
        Route("/v1/feedback", _raw_feedback, methods=["POST"]),
        Route("/v1/feedback/batch", _raw_batch, methods=["POST"]),
        *(Route(f"/v1/other-{number}", _raw_feedback, methods=["GET"]) for number in range(_OTHER_ROUTES)),
    ]
)
