"""What can go wrong in the running side of the chassis.

ChassisError
├── StartRefused            the process cannot start; one line says why
│   ├── SettingsBroken      a variable has a value that cannot be used
│   ├── DatabaseIsNewer     a schema from a later version of Huiyin
│   ├── DatabaseMissing     no installation is where the settings say
│   ├── MigrationsPending   a schema that `huiyin migrate` has not brought up to date
│   ├── DatabaseUnreachable no connection to a database
│   ├── BrokerNotFound      no Kafka is set and no embedded broker runs
│   ├── BrokerRefused       the embedded broker cannot start
│   ├── DataDirUnusable     the data folder cannot be made, read or written
│   ├── DataDirIsNewer      the data folder was laid out by a later version of Huiyin
│   ├── AddressUnusable     the host or port cannot be listened on
│   ├── RouteUnowned        a route starts with no segment of its service's own
│   ├── RouteUnfit          an endpoint of the express lane takes what the lane cannot give
│   ├── RoutesConflict      two services answer the same path
│   └── ServiceUnknown      no installed service has that name
├── DeadLetterUnknown       no service at hand has a dead letter of that id
├── TopicUnknown            neither the log nor the service at hand has a topic of that name
├── ConsumerUnknown         no service at hand has a consumer of that name
├── ConsumerNotFlooded      nothing has stopped that consumer, so it cannot go on
├── FactMissing             a check asks for rows that no installed service tells
└── Overloaded              try again in a moment
    ├── WriterFull          too many submissions wait for a commit
    ├── WriterClosed        the service is stopping
    └── NoRoom              what is accepted could not be kept
        ├── OutboxFull      too many events wait for the broker
        └── DiskFull        too little of the disk is free
"""

from collections.abc import Iterable
from pathlib import Path


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


class DatabaseMissing(StartRefused):
    """No installation is where the settings say."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is no {path}: name the data folder (--data-dir or HUIYIN_DATA_DIR), or make it by `huiyin migrate`"
        )
        self.path = path


class DatabaseUnreachable(StartRefused):
    """No connection to a service's database."""

    def __init__(self, service: str, *, reason: str) -> None:
        super().__init__(f"the database of {service} cannot be reached: {reason}")
        self.service = service


class BrokerNotFound(StartRefused):
    """No Kafka is set and no embedded broker runs on this data folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"no broker runs on {folder}: start `huiyin up` or `huiyin broker`, or set HUIYIN_KAFKA_BOOTSTRAP"
        )
        self.folder = folder


class BrokerRefused(StartRefused):
    """The embedded broker cannot start."""


class DataDirUnusable(StartRefused):
    """The data folder cannot be made, read or written."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"the data folder {folder} cannot be used: {reason}")
        self.folder = folder


class DataDirIsNewer(StartRefused):
    """The data folder was laid out by a later version of Huiyin."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the data folder {folder} is from a newer version of Huiyin")
        self.folder = folder


class AddressUnusable(StartRefused):
    """The host or port cannot be listened on."""

    def __init__(self, host: str, port: int, *, reason: str) -> None:
        super().__init__(f"cannot listen on {host}:{port}: {reason}")
        self.host = host
        self.port = port


class RouteUnowned(StartRefused):
    """A route does not begin with two fixed segments, such as `/v1/tickets`."""

    def __init__(self, path: str, *, service: str) -> None:
        super().__init__(f"{service} answers {path!r}, which does not begin with two fixed segments")
        self.path = path
        self.service = service


class RouteUnfit(StartRefused):
    """An endpoint is marked `@express` but takes or answers what the express lane does not know."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the endpoint of {path} cannot take the express lane: see huiyin_chassis.express")
        self.path = path


class RoutesConflict(StartRefused):
    """Two services of one process answer the same path."""

    def __init__(self, path: str, *, services: tuple[str, str]) -> None:
        super().__init__(f"{services[0]} and {services[1]} both answer {path}")
        self.path = path
        self.services = services


class ServiceUnknown(StartRefused):
    """No installed service has that name."""

    def __init__(self, name: str, installed: list[str]) -> None:
        super().__init__(f"there is no service {name!r}; installed: {', '.join(installed) or 'none'}")
        self.name = name


class DeadLetterUnknown(ChassisError):
    """No service at hand has a dead letter of that id."""

    exit_code = 1

    def __init__(self, letter_id: str) -> None:
        super().__init__(f"there is no dead letter {letter_id[:64]!r}")
        self.letter_id = letter_id


class TopicUnknown(ChassisError):
    """Neither the log nor the service at hand has a topic of that name; `known` are those there are."""

    exit_code = 1

    def __init__(self, topic: str, *, known: Iterable[str]) -> None:
        super().__init__(f"there is no topic {topic[:64]!r} here; there are: {', '.join(sorted(known))}")
        self.topic = topic


class ConsumerUnknown(ChassisError):
    """No service at hand has a consumer of that name."""

    def __init__(self, group: str) -> None:
        super().__init__(f"there is no consumer {group[:64]!r} in this process")
        self.group = group


class ConsumerNotFlooded(ChassisError):
    """No flood of poison has stopped that consumer, so there is nothing to go on from."""

    def __init__(self, group: str) -> None:
        super().__init__(f"the consumer {group} is not stopped by a flood")
        self.group = group


class FactMissing(ChassisError):
    """A check asks for rows that no installed service tells: it is skipped, which is not a pass."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no installed service tells {name}")
        self.name = name


class Overloaded(ChassisError):
    """The service cannot take more right now; the caller tries again in a moment."""


class WriterFull(Overloaded):
    """Too many submissions wait for a commit."""


class WriterClosed(Overloaded):
    """The writer is draining because the service stops."""


class NoRoom(Overloaded):
    """What is accepted now could not be kept."""


class OutboxFull(NoRoom):
    """Too many events wait for the broker."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} events or more wait in the outbox")
        self.limit = limit


class DiskFull(NoRoom):
    """Too little of the disk under the database is free; `free_share` is between 0 and 1."""

    def __init__(self, free_share: float) -> None:
        super().__init__(f"{free_share:.1%} of the disk is free")
        self.free_share = free_share
