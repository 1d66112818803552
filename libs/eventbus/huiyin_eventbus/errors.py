"""What can go wrong on the bus.

EventBusError
├── TransientFailure        a handler asks for this one event to be tried again later
├── SubscribedTwice         a service subscribed two handlers to one event
├── UnknownMajorVersion     an event has a schema version this service cannot read
├── EventTooLarge           an event would not fit in a record of the log
├── LostOwnership           another consumer moved our offsets: everything is rolled back
├── AssignmentMissing       the broker gave us no partitions for too long: join anew
├── BrokerSilent            the broker has not answered a fetch for too long: join anew
├── BrokerMoved             the broker is elsewhere now: begin anew there
├── ClientCancelled         the Kafka client cancelled itself under our hands
├── ClientDied              a task of the Kafka client has ended: begin anew
├── DeadLetterNotFound      no dead letter has this id
└── DeadLetterNotOpen       it was redriven or discarded already
"""


class EventBusError(Exception):
    """Base of all errors of the bus."""


class TransientFailure(EventBusError):
    """One event cannot be handled now but may be later: it is parked with its key and tried again.

    For a third party that does not answer. The service's own database and broker need no such error:
    the consumer recognises them and waits.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SubscribedTwice(EventBusError):
    """A service subscribed two handlers to one event; which of them comes first would be chance."""

    def __init__(self, event_type: str) -> None:
        super().__init__(f"{event_type} has a handler already")
        self.event_type = event_type


class UnknownMajorVersion(EventBusError):
    """The first number of an event's schema version is not the one this service was built with."""

    def __init__(self, event_type: str, *, dataschema: str) -> None:
        super().__init__(f"{event_type} comes in an unknown major version: {dataschema[-64:]!r}")
        self.event_type = event_type


class LostOwnership(EventBusError):
    """The stored offsets are not those this consumer left: a rebalance or a rewind came between."""

    def __init__(self, group: str, *, partitions: int) -> None:
        super().__init__(f"{partitions} partitions of group {group} have moved")
        self.group = group


class EventTooLarge(EventBusError):
    """An event would not fit in a record: it would block everything behind it, so it is not appended."""

    def __init__(self, event_type: str, *, size_bytes: int) -> None:
        super().__init__(f"{event_type} has {size_bytes} bytes")
        self.event_type = event_type
        self.size_bytes = size_bytes


class AssignmentMissing(EventBusError):
    """A member has had no partitions for too long: the broker has forgotten it, or there are more members than those."""

    def __init__(self, group: str) -> None:
        super().__init__(f"group {group} gave us no partitions")
        self.group = group


class BrokerSilent(EventBusError):
    """No fetch was answered for longer than a session: aiokafka itself tries on without a word."""

    def __init__(self, group: str) -> None:
        super().__init__(f"the broker does not answer group {group}")
        self.group = group


class BrokerMoved(EventBusError):
    """What was sent waits for a broker that is elsewhere now: aiokafka itself would wait for it at the old place."""

    def __init__(self, address: str) -> None:
        super().__init__(f"the broker has left {address}")
        self.address = address


class ClientCancelled(EventBusError):
    """The Kafka client was cancelled, by itself: it is of no more use."""


class ClientDied(EventBusError):
    """The task in which a Kafka client learns where things are has ended: it would wait for answers for ever."""


class DeadLetterNotFound(EventBusError):
    """No dead letter has this id."""

    def __init__(self, dead_letter_id: int) -> None:
        super().__init__(f"no dead letter {dead_letter_id}")
        self.dead_letter_id = dead_letter_id


class DeadLetterNotOpen(EventBusError):
    """The dead letter was redriven or discarded before; its state says which."""

    def __init__(self, dead_letter_id: int, *, state: str) -> None:
        super().__init__(f"dead letter {dead_letter_id} is {state}")
        self.dead_letter_id = dead_letter_id
        self.state = state
