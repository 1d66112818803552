"""What can go wrong in the directory.

DirectoryError
├── UnitNotFound        the unit addressed is not there
├── UnitExists          the slug is taken, and slugs never change hands
├── UnitUnknown         a unit named in a body is not there
├── UnknownParent       the parent is no unit, or a unit would become its own ancestor
├── PersonNotFound      the person addressed is not there
├── PersonUnknown       a person named in a body is not there
├── KeyNotFound
└── KeyRevoked          a revoked key stays revoked; make a new one
"""


class DirectoryError(Exception):
    """Base of the directory's errors."""


class UnitNotFound(DirectoryError):
    """The unit addressed is not there: no unit has this slug."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"no unit {slug}")


class UnitExists(DirectoryError):
    """A unit has this slug already."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"there is a unit {slug} already")


class UnitUnknown(DirectoryError):
    """A person or key names a unit that is not there."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"there is no unit {slug}")


class UnknownParent(DirectoryError):
    """The parent named is no unit, or lies below the unit itself."""

    def __init__(self, parent: str) -> None:
        super().__init__(f"{parent} cannot be the parent: it is no unit, or lies below this one")


class PersonNotFound(DirectoryError):
    """The person addressed is not there: nobody has this id."""

    def __init__(self, person_id: str) -> None:
        super().__init__(f"no person {person_id}")


class PersonUnknown(DirectoryError):
    """A key names a person who is not there."""

    def __init__(self, person_id: str) -> None:
        super().__init__(f"there is no person {person_id}")


class KeyNotFound(DirectoryError):
    """No API key has this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no API key {key_id}")


class KeyRevoked(DirectoryError):
    """A revoked key cannot be changed any more."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"API key {key_id} is revoked for good; make a new one")
