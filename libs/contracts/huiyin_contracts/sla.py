"""Events of the clocks: deadlines promised, warned of, missed and taken back."""

from typing import ClassVar

from pydantic import AwareDatetime

from huiyin_contracts.event import Event
from huiyin_contracts.vocabulary import ClockState, Identifier, Slug, Target


class _ClockEvent(Event):
    """What every clock event says: which clock of which case."""

    PUBLISHER: ClassVar[str] = "sla"
    KEY: ClassVar[str] = "ticket_id"

    ticket_id: Identifier
    """The case id: for the classification clock there may be no ticket yet, the feedback's id then."""
    target: Target
    cycle: int = 1
    policy: Slug
    department: Slug | None = None
    due_at: AwareDatetime


class SlaScheduled(_ClockEvent):
    """A clock was started or changed: new due time, pause, resumption, met or cancelled."""

    TYPE: ClassVar[str] = "sla.scheduled"

    state: ClockState
    started_at: AwareDatetime
    met_at: AwareDatetime | None = None
    calendar: Slug
    calendar_version: str
    scheduled_at: AwareDatetime


class SlaWarned(_ClockEvent):
    """A share of a clock's time has passed without the work being done; once per clock and share."""

    TYPE: ClassVar[str] = "sla.warned"

    percent: int
    warned_at: AwareDatetime


class SlaBreached(_ClockEvent):
    """A deadline passed without a qualifying event in time; once per clock, id is deterministic."""

    TYPE: ClassVar[str] = "sla.breached"

    breach_id: Identifier
    """uuid5 of ticket, target and cycle."""
    breached_at: AwareDatetime
    """The deadline itself: the time of the fact, not of its discovery."""
    detected_at: AwareDatetime


class SlaRetracted(_ClockEvent):
    """A breach is taken back: work stamped before the deadline arrived after it."""

    TYPE: ClassVar[str] = "sla.retracted"

    breach_id: Identifier
    met_at: AwareDatetime | None = None
    """When the work was done; none where a late merge or hold took the deadline away."""
    retracted_at: AwareDatetime
    reason: str
