"""What can go wrong on the desk.

DeskError
├── TicketNotFound          no ticket has this id, or it is another department's
├── TransitionNotAllowed    the verb does not fit the ticket's status; carries the verbs that do
├── AssigneeUnknown         no active person has this id
└── MergeRefused            a ticket cannot be merged into itself or into one that was merged away
"""

from collections.abc import Iterable
from typing import ClassVar


class DeskError(Exception):
    """Base of the desk's errors."""


class TicketNotFound(DeskError):
    """No ticket has this id, or the caller may not see its department."""

    def __init__(self, ticket_id: str) -> None:
        super().__init__(f"no ticket {ticket_id}")


class TransitionNotAllowed(DeskError):
    """The verb does not fit the ticket's status."""

    extensions: ClassVar[tuple[str, ...]] = ("status", "allowed")

    def __init__(self, verb: str, *, status: str, allowed: Iterable[str]) -> None:
        self.status = status
        self.allowed = sorted(allowed)
        verbs = ", ".join(self.allowed) or "nothing"
        super().__init__(f"{verb} does not fit a ticket that is {status}; allowed: {verbs}")


class AssigneeUnknown(DeskError):
    """No active person has this id."""

    def __init__(self, person_id: str) -> None:
        super().__init__(f"no active person {person_id}")


class MergeRefused(DeskError):
    """The ticket named cannot take this one in."""

    def __init__(self, into: str) -> None:
        super().__init__(
            f"cannot merge into {into}: it is this ticket, was merged away, or is not yours to see"
        )
