"""What can go wrong in the running side of the chassis.

ChassisError
├── StartRefused            the process cannot start; one line says why
│   ├── SettingsBroken      a variable has a value that cannot be used
│   ├── DatabaseIsNewer     a schema from a later version of Huiyin
│   ├── MigrationsPending   a schema that `huiyin migrate` has not brought up to date
│   └── ServiceUnknown      no installed service has that name
└── Overloaded              try again in a moment
    ├── WriterFull          too many submissions wait for a commit
    └── WriterClosed        the service is stopping
"""


class ChassisError(Exception):
    """Base of the chassis's own errors."""


class StartRefused(ChassisError):
    """The process cannot start; the message is one line for the operator."""

    exit_code = 1


class SettingsBroken(StartRefused):
    """A setting has a value that cannot be used; the message names the variable, never the value."""

    exit_code = 2


class DatabaseIsNewer(StartRefused):
    """A database was written by a later version of Huiyin."""

    def __init__(self, service: str, revision: str) -> None:
        super().__init__(f"the database of {service} is from a newer version of Huiyin (revision {revision})")
        self.service = service
        self.revision = revision


class MigrationsPending(StartRefused):
    """A database is older than the code."""

    def __init__(self, service: str) -> None:
        super().__init__(f"the database of {service} is not up to date: run `huiyin migrate`")
        self.service = service


class ServiceUnknown(StartRefused):
    """No installed service has that name."""

    def __init__(self, name: str, installed: list[str]) -> None:
        super().__init__(f"there is no service {name!r}; installed: {', '.join(installed) or 'none'}")
        self.name = name


class Overloaded(ChassisError):
    """The service cannot take more right now; the caller tries again in a moment."""


class WriterFull(Overloaded):
    """Too many submissions wait for a commit."""


class WriterClosed(Overloaded):
    """The writer is draining because the service stops."""
