"""Events of the directory: units, people and API keys, each carrying the whole new state."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import AwareDatetime

from huiyin_contracts.event import Event
from huiyin_contracts.vocabulary import Identifier, Slug, UnitKind


class UnitChanged(Event):
    """A unit was made or changed; `active` false means it takes no new tickets."""

    TYPE: ClassVar[str] = "unit.changed"
    PUBLISHER: ClassVar[str] = "directory"
    KEY: ClassVar[str] = "unit_id"

    unit_id: Identifier
    slug: Slug
    kind: UnitKind
    parent: Slug | None = None
    names: Mapping[str, str]
    """Name per language tag, such as zh-CN and en."""
    stream: bool = False
    """The unit asked for its own topic `ticket.routed.<slug>`."""
    active: bool = True
    revision: int
    changed_at: AwareDatetime


class PersonChanged(Event):
    """A person was made or changed."""

    TYPE: ClassVar[str] = "person.changed"
    PUBLISHER: ClassVar[str] = "directory"
    KEY: ClassVar[str] = "person_id"

    person_id: Identifier
    name: str
    unit: Slug | None = None
    roles: tuple[Slug, ...] = ()
    active: bool = True
    revision: int
    changed_at: AwareDatetime


class KeyChanged(Event):
    """An API key was made, changed or revoked; the key itself is never in an event, only its SHA-256."""

    TYPE: ClassVar[str] = "key.changed"
    PUBLISHER: ClassVar[str] = "directory"
    KEY: ClassVar[str] = "key_id"

    key_id: Identifier
    name: str
    sha256: str
    """Hex digest of the whole key."""
    scopes: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    """Slugs of the departments it may see; `*` for all, none for nothing."""
    person_id: Identifier | None = None
    rate_per_minute: int | None = None
    active: bool = True
    expires_at: AwareDatetime | None = None
    revision: int
    changed_at: AwareDatetime
