"""What the sla service refuses.

SlaError
├── UnknownPolicy        there is no policy of this name
├── UnknownTarget        policies promise nothing under this name
├── PolicyMalformed      a policy document breaks its rules at the place named
├── CalendarMalformed    a calendar document breaks its rules at the place named
├── CalendarNotFound     there is no calendar of this name
├── ChangedMeanwhile     two changes of one document met; the other one came first
├── TimeUnreadable       a text is no time
├── TimeNotAware         a time lacks its zone, so it names no instant
└── DeadlineOutOfRange   the deadline lies outside the years that can be told
"""


class SlaError(Exception):
    """Every refusal of this service; a command that ends with one exits as after a wrong call."""

    exit_code = 2


class UnknownPolicy(SlaError):
    """No policy has this name."""

    def __init__(self, policy: str) -> None:
        super().__init__(f"unknown policy {policy!r}; there are ordinary, complex and urgent")
        self.policy = policy


class UnknownTarget(SlaError):
    """No policy measures this target."""

    def __init__(self, target: str) -> None:
        super().__init__(f"unknown target {target!r}; a policy has response and resolution")
        self.target = target


class PolicyMalformed(SlaError):
    """A policy document cannot be used; ``where`` is the JSON pointer of the fault."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where or '/'}: {reason}")
        self.where = where
        self.reason = reason


class CalendarMalformed(SlaError):
    """A calendar document cannot be used; ``where`` is the JSON pointer of the fault."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where or '/'}: {reason}")
        self.where = where
        self.reason = reason


class CalendarNotFound(SlaError):
    """No calendar has this name."""

    def __init__(self, calendar: str) -> None:
        super().__init__(f"no calendar {calendar[:64]!r}")
        self.calendar = calendar


class ChangedMeanwhile(SlaError):
    """Somebody else has changed the same document at the same moment."""

    def __init__(self) -> None:
        super().__init__("somebody else has changed this at the same moment; read it again and decide anew")


class TimeUnreadable(SlaError):
    """A text is no time."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:40]!r} is no time such as 2026-10-09T14:00:00+08:00")


class TimeNotAware(SlaError):
    """A time came without its zone, so it names no instant."""

    def __init__(self) -> None:
        super().__init__("a time needs its zone or offset, such as 2026-10-09T14:00:00+08:00")


class DeadlineOutOfRange(SlaError):
    """The deadline lies outside the years that can be told (1 to 9999)."""

    def __init__(self) -> None:
        super().__init__("the deadline lies outside the years 1 to 9999")
