"""Who calls and what they may do: principals, scopes, and the roles that keys are given by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, true

ADMIN: Final = "admin"
SCOPES: Final = frozenset(
    {
        "feedback:write",
        "feedback:read",
        "classifications:read",
        "triage:decide",
        "routing:manage",
        "tickets:read",
        "tickets:work",
        "tickets:review",
        "sla:read",
        "sla:manage",
        "analytics:read",
        "directory:read",
        "directory:manage",
        "operations",
        ADMIN,
    }
)
_READING: Final = frozenset(
    {"feedback:read", "classifications:read", "tickets:read", "sla:read", "analytics:read", "directory:read"}
)
ROLES: Final[Mapping[str, frozenset[str]]] = {
    "adapter": frozenset({"feedback:write", "feedback:read", "classifications:read"}),
    "department": frozenset({"tickets:read", "tickets:work", "sla:read", "directory:read"}),
    "customer_service": _READING | {"feedback:write", "triage:decide", "tickets:work", "tickets:review"},
    "analyst": _READING,
    "operator": _READING
    | {"operations", "routing:manage", "sla:manage", "directory:manage", "triage:decide"},
    "admin": frozenset({ADMIN}),
}
"""What each role of a key may do; a key may also be given single scopes."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The owner of the key in a request: an adapter, a department's system, a person or the operator."""

    id: str
    name: str
    scopes: frozenset[str]
    departments: frozenset[str] | None = None
    """Slugs of the departments it sees; None for all."""
    rate_per_minute: int | None = None

    def can(self, scope: str) -> bool:
        """Tell whether the principal has a scope; `admin` has all."""
        return scope in self.scopes or ADMIN in self.scopes

    def sees(self, department: str | None) -> bool:
        """Tell whether objects of a department are visible; what has no department yet only to those who see all."""
        return self.departments is None or department in self.departments

    def within(self, department: ColumnElement[str | None] | ColumnElement[str]) -> ColumnElement[bool]:
        """Return `sees` as a condition on a column of department slugs, for selects."""
        if self.departments is None:
            return true()
        return department.in_(sorted(self.departments))


OPERATOR: Final = Principal("operator", "operator", frozenset({ADMIN}))
"""The owner of the admin key in the settings."""
