"""All that the rules may look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from tests.faults.counter.databases import Databases
from tests.faults.counter.history import Attempt, Injection
from tests.faults.counter.log import Log


@dataclass(frozen=True)
class Evidence:
    """What a run left behind; `whole_log` holds the injected poison too."""

    attempts: Sequence[Attempt]
    injections: Sequence[Injection]
    databases: Databases
    whole_log: Log
    now: datetime

    @cached_property
    def poison(self) -> set[tuple[str, int, int]]:
        """Return the places of the records that were injected to be refused."""
        return {each.place for each in self.injections if each.kind == "poison"}

    @cached_property
    def copies(self) -> set[tuple[str, int, int]]:
        """Return the places of the records that were injected as second deliveries."""
        return {each.place for each in self.injections if each.kind == "copy"}

    @cached_property
    def log(self) -> Log:
        """Return the log without the injected poison."""
        return Log([record for record in self.whole_log.records if record.place not in self.poison])
