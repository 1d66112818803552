"""What can be wrong with an event.

ContractError
├── MalformedEvent      the envelope or the data cannot be read
└── UnknownEventType    nobody here has a model for this type
"""


class ContractError(Exception):
    """Base of all contract errors."""


class MalformedEvent(ContractError):
    """The envelope or the data of an event cannot be read; the message says which part, never its content."""


class UnknownEventType(ContractError):
    """No contract is registered under this type."""

    def __init__(self, event_type: str) -> None:
        super().__init__(f"unknown event type {event_type!r}")
        self.event_type = event_type
