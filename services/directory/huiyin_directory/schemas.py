"""HTTP bodies of the directory."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from huiyin_chassis.auth import ROLES, SCOPES
from huiyin_chassis.clock import Moment
from huiyin_contracts.vocabulary import Identifier, Slug, UnitKind

UnitSlug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Lower-case ASCII without dots: it ends the name of the unit's own topic."""
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
Names = Annotated[dict[Language, Name], Field(min_length=1, max_length=20)]
Kind = Literal["department", "team", "store", "region"]


def _known_scope(scope: str) -> str:
    if scope not in SCOPES:
        raise ValueError(f"is none of {', '.join(sorted(SCOPES))}")
    return scope


def _known_role(role: str) -> str:
    if role not in ROLES:
        raise ValueError(f"is none of {', '.join(ROLES)}")
    return role


Scope = Annotated[str, AfterValidator(_known_scope)]
Role = Annotated[str, AfterValidator(_known_role)]
Department = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9][a-z0-9-]{0,62})$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UnitIn(_Body):
    """A new unit; its slug never changes."""

    slug: UnitSlug
    kind: Kind
    names: Names
    parent: Slug | None = None
    stream: bool = False


class UnitPatch(_Body):
    """What may change of a unit; fields left out stay as they are."""

    names: Names | None = None
    parent: Slug | None = None
    stream: bool | None = None
    active: bool | None = None


class UnitView(BaseModel):
    """A unit as it stands."""

    id: Identifier
    slug: str
    kind: UnitKind
    parent: str | None
    names: dict[str, str]
    stream: bool
    active: bool
    revision: int
    changed_at: datetime


class PersonIn(_Body):
    """A new person."""

    name: Name
    unit: Slug | None = None
    roles: Annotated[tuple[Role, ...], Field(max_length=10)] = ()


class PersonPatch(_Body):
    """What may change of a person; fields left out stay as they are."""

    name: Name | None = None
    unit: Slug | None = None
    roles: Annotated[tuple[Role, ...], Field(max_length=10)] | None = None
    active: bool | None = None


class PersonView(BaseModel):
    """A person as they stand."""

    id: Identifier
    name: str
    unit: str | None
    roles: list[str]
    active: bool
    revision: int
    changed_at: datetime


class KeyIn(_Body):
    """A new API key: a role, single scopes, or both; `departments` it may see, `*` for all, none for nothing."""

    name: Name
    role: Role | None = None
    scopes: Annotated[tuple[Scope, ...], Field(max_length=30)] = ()
    departments: Annotated[tuple[Department, ...], Field(max_length=200)] = ()
    person_id: Identifier | None = None
    rate_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    expires_at: Moment | None = None


class KeyView(BaseModel):
    """A key without its secret, which nobody keeps."""

    id: Identifier
    name: str
    scopes: list[str]
    departments: list[str]
    person_id: str | None
    rate_per_minute: int | None
    active: bool
    expires_at: datetime | None
    revision: int
    changed_at: datetime


class MadeKey(KeyView):
    """A new key with its secret, told this once."""

    key: str
