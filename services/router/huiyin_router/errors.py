"""What can go wrong in the router.

RouterError
├── FeedbackUnknown     no classified feedback has this id, or it is another department's
├── AlreadyDecided      the feedback is not in triage any more, and was decided otherwise
├── TicketStands        what is asked would leave a ticket without its feedback
├── DepartmentUnknown   no active unit has this slug
├── DepartmentMissing   no rule names a department for it, so somebody has to
├── LabelsContradict    the subtype does not belong to the type
├── RuleNotFound        no routing rule has this id
├── RuleExists          another rule has this name
└── LineUnreadable      a line given to a command is not what it takes
"""

from typing import ClassVar


class RouterError(Exception):
    """Base of the router's errors."""


class FeedbackUnknown(RouterError):
    """No classified feedback has this id, or the caller may not see it."""

    def __init__(self, feedback_id: str) -> None:
        super().__init__(f"no classification of feedback {feedback_id}")


class AlreadyDecided(RouterError):
    """The feedback is not in triage any more, and what became of it is not what is asked."""

    extensions: ClassVar[tuple[str, ...]] = ("outcome", "department")

    def __init__(self, feedback_id: str, *, outcome: str, department: str | None) -> None:
        self.outcome = outcome
        self.department = department
        super().__init__(f"feedback {feedback_id} does not wait in triage; it has the outcome {outcome}")


class TicketStands(RouterError):
    """A ticket stands on the desk; it is closed or merged there, not taken back here."""

    extensions: ClassVar[tuple[str, ...]] = ("ticket_id",)

    def __init__(self, feedback_id: str, *, ticket_id: str) -> None:
        self.ticket_id = ticket_id
        super().__init__(
            f"feedback {feedback_id} belongs to ticket {ticket_id}, which only the desk can close"
        )


class DepartmentUnknown(RouterError):
    """No active unit has this slug."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"no active department {slug}")


class DepartmentMissing(RouterError):
    """No rule names a department for the feedback."""

    def __init__(self, feedback_id: str) -> None:
        super().__init__(f"no routing rule gives feedback {feedback_id} to a department; name one")


class LabelsContradict(RouterError):
    """The labels do not fit together."""

    def __init__(self, *, given_type: str, subtype: str) -> None:
        super().__init__(f"subtype {subtype} does not belong to type {given_type}; name a subtype that does")


class RuleNotFound(RouterError):
    """No routing rule has this id."""

    def __init__(self, rule_id: str) -> None:
        super().__init__(f"no routing rule {rule_id}")


class RuleExists(RouterError):
    """Another routing rule has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a routing rule {name} already")


class LineUnreadable(RouterError):
    """A line given to a command is not what it takes; told to the operator by its number, never by its content."""

    exit_code = 1

    def __init__(self, number: int, why: str) -> None:
        self.number = number
        super().__init__(f"line {number} {why}")
