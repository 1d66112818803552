"""The directory over HTTP: units, people and API keys."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Response, status
from sqlalchemy import Row, select

from huiyin_chassis.auth import Principal, require
from huiyin_chassis.clock import utc_now
from huiyin_chassis.db import Reading, Writing
from huiyin_chassis.etag import IfMatch, etag, set_etag
from huiyin_chassis.idempotency import Repeat
from huiyin_chassis.pages import Page, PageRequest, page
from huiyin_directory import queries, usecases
from huiyin_directory.errors import (
    KeyNotFound,
    KeyRevoked,
    PersonNotFound,
    PersonUnknown,
    UnitExists,
    UnitNotFound,
    UnitUnknown,
    UnknownParent,
)
from huiyin_directory.models import made_key, person, unit
from huiyin_directory.schemas import (
    KeyIn,
    KeyView,
    MadeKey,
    PersonIn,
    PersonPatch,
    PersonView,
    UnitIn,
    UnitPatch,
    UnitView,
)

PROBLEMS: Final[Mapping[type[Exception], int]] = {
    UnitNotFound: 404,
    UnitUnknown: 422,
    UnitExists: 409,
    UnknownParent: 422,
    PersonNotFound: 404,
    PersonUnknown: 422,
    KeyNotFound: 404,
    KeyRevoked: 409,
}

router: Final = APIRouter(tags=["directory"])
Reader = Annotated[Principal, require("directory:read")]
Keeper = Annotated[Principal, require("directory:manage")]
KeyMaker = Annotated[Principal, require("admin")]


@router.get("/v1/units")
async def list_units(
    tx: Reading,
    request: PageRequest,
    _principal: Reader,
    kind: Annotated[Literal["department", "team", "store", "region"] | None, Query()] = None,
) -> Page[UnitView]:
    """List units by slug."""
    statement = select(unit) if kind is None else select(unit).where(unit.c.kind == kind)
    return await page(tx, statement, unit.c.slug, request=request, view=_unit_view)


@router.post("/v1/units", status_code=status.HTTP_201_CREATED, response_model=UnitView)
async def add_unit(post: UnitIn, _principal: Keeper, repeat: Repeat) -> Response:
    """Make a unit."""
    row = await usecases.add_unit(repeat.tx, post, now=utc_now())
    headers = {"ETag": etag(row.revision)}
    return await repeat.answer(status.HTTP_201_CREATED, _unit_view(row), headers=headers)


@router.get("/v1/units/{slug}")
async def get_unit(slug: str, tx: Reading, response: Response, _principal: Reader) -> UnitView:
    """Return one unit."""
    row = await queries.find_unit(tx, slug)
    if row is None:
        raise UnitNotFound(slug)
    set_etag(response, row.revision)
    return _unit_view(row)


@router.patch("/v1/units/{slug}")
async def change_unit(  # FastAPI calls by name
    slug: str, patch: UnitPatch, tx: Writing, response: Response, if_match: IfMatch, _principal: Keeper
) -> UnitView:
    """Change a unit's names, parent, stream, or whether it takes new tickets."""
    row = await usecases.change_unit(tx, slug, patch, if_match=if_match, now=utc_now())
    set_etag(response, row.revision)
    return _unit_view(row)


@router.get("/v1/people")
async def list_people(
    tx: Reading, request: PageRequest, _principal: Reader, unit: Annotated[str | None, Query()] = None
) -> Page[PersonView]:
    """List people, oldest first."""
    statement = select(person) if unit is None else select(person).where(person.c.unit == unit)
    return await page(tx, statement, person.c.id, request=request, view=_person_view)


@router.post("/v1/people", status_code=status.HTTP_201_CREATED, response_model=PersonView)
async def add_person(post: PersonIn, _principal: Keeper, repeat: Repeat) -> Response:
    """Make a person."""
    row = await usecases.add_person(repeat.tx, post, now=utc_now())
    headers = {"ETag": etag(row.revision)}
    return await repeat.answer(status.HTTP_201_CREATED, _person_view(row), headers=headers)


@router.get("/v1/people/{person_id}")
async def get_person(person_id: str, tx: Reading, response: Response, _principal: Reader) -> PersonView:
    """Return one person."""
    row = await queries.find_person(tx, person_id)
    if row is None:
        raise PersonNotFound(person_id)
    set_etag(response, row.revision)
    return _person_view(row)


@router.patch("/v1/people/{person_id}")
async def change_person(  # FastAPI calls by name
    person_id: str,
    patch: PersonPatch,
    tx: Writing,
    response: Response,
    if_match: IfMatch,
    _principal: Keeper,
) -> PersonView:
    """Change a person's name, unit, roles, or whether they are there."""
    row = await usecases.change_person(tx, person_id, patch, if_match=if_match, now=utc_now())
    set_etag(response, row.revision)
    return _person_view(row)


@router.get("/v1/api-keys")
async def list_keys(tx: Reading, request: PageRequest, _principal: KeyMaker) -> Page[KeyView]:
    """List the keys made here, oldest first, without their secrets."""
    return await page(tx, select(made_key), made_key.c.id, request=request, view=_key_view)


@router.post("/v1/api-keys", status_code=status.HTTP_201_CREATED)
async def add_key(post: KeyIn, tx: Writing, _principal: KeyMaker) -> MadeKey:
    """Make an API key; the answer is the only place where it is ever told.

    It takes no `Idempotency-Key`: answering a second time would mean to have kept the secret.
    """
    row, key = await usecases.add_key(tx, post, now=utc_now())
    return MadeKey(**_key_view(row).model_dump(), key=key)


@router.post("/v1/api-keys/{key_id}/revoke")
async def revoke_key(key_id: str, tx: Writing, _principal: KeyMaker) -> KeyView:
    """Revoke a key for good; services refuse it as soon as the event reaches them."""
    return _key_view(await usecases.revoke_key(tx, key_id, now=utc_now()))


def _unit_view(row: Row[Any]) -> UnitView:
    return UnitView.model_validate(dict(row._mapping))


def _person_view(row: Row[Any]) -> PersonView:
    return PersonView.model_validate(dict(row._mapping))


def _key_view(row: Row[Any]) -> KeyView:
    return KeyView.model_validate(dict(row._mapping))
